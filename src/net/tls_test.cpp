#include "net/tls.h"

#include <gmock/gmock.h>

#include <thread>

#include "base/guarded.h"
#include "net/client.h"
#include "net/server.h"
#include "net/test_certificates.h"
#include "net/test_peer.h"

namespace chaveiro::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Answers with what it knows of the peer.
void who_are_you(Request request, Responder responder) {
  responder.send(text_response(200, request.peer.verified ? request.peer.subject
                                    : request.peer.tls    ? "somebody"
                                                          : "plain"));
}

class TlsTest : public testing::Test {
 protected:
  std::unique_ptr<HttpServer> serve_with(TlsServerOptions options) {
    auto tls = TlsServerContext::load(std::move(options));
    EXPECT_TRUE(tls) << tls.error().message;
    context_ = *tls;
    auto server = HttpServer::start({.tls = *tls}, who_are_you);
    EXPECT_TRUE(server);
    return std::move(*server);
  }
  std::unique_ptr<HttpServer> serve(const TestCertificate& certificate) {
    return serve_with({.cert_file = certificate.cert_file, .key_file = certificate.key_file});
  }
  std::unique_ptr<HttpClient> client(TlsClientOptions options) {
    auto tls = TlsClientContext::load(std::move(options));
    EXPECT_TRUE(tls) << tls.error().message;
    return std::move(*HttpClient::make({.tls = *tls}));
  }
  static Result<Response> get(HttpClient& client, std::uint16_t port, std::string host = "localhost") {
    return client.send({true, std::move(host), port}, Request{}, soon());
  }

  TestFolder folder_;
  TestAuthority authority_{folder_, "authority"};
  TestAuthority stranger_{folder_, "stranger"};
  const TestCertificateRequest local_{"server", "DNS:localhost,IP:127.0.0.1"};
  std::shared_ptr<TlsServerContext> context_;
};

TEST_F(TlsTest, a_good_certificate_is_accepted_by_name_and_by_address) {
  const auto server = serve(authority_.issue("server", local_));
  const auto trusting = client({.ca_file = authority_.ca_file});
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    for (int i = 0; i < 2; ++i) {
      const auto response = get(*trusting, server->port(), host);
      ASSERT_TRUE(response) << response.error().message;
      EXPECT_EQ(response->body, "somebody");
    }
  }
  EXPECT_EQ(trusting->idle_connections(), 2u) << "one for each origin";
}

TEST_F(TlsTest, large_bodies_pass_both_ways) {
  const auto certificate = authority_.issue("server", local_);
  const auto tls = TlsServerContext::load({.cert_file = certificate.cert_file, .key_file = certificate.key_file});
  const auto server = HttpServer::start(
      {.body_bytes_max = 8 << 20, .tls = *tls},
      [](Request request, Responder responder) { responder.send(text_response(200, std::move(request.body))); });
  const std::string body(4 << 20, 'x');
  const auto response =
      client({.ca_file = authority_.ca_file})
          ->send({true, "localhost", (*server)->port()}, {.method = Method::post, .body = body}, soon());
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, body);
}

TEST_F(TlsTest, a_certificate_of_an_unknown_authority_is_refused) {
  const auto server = serve(stranger_.issue("server", local_));
  const auto response = get(*client({.ca_file = authority_.ca_file}), server->port());
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("certificate"));
}

TEST_F(TlsTest, an_expired_certificate_is_refused) {
  const auto server = serve(authority_.issue("server", {"server", "DNS:localhost", -60}));
  const auto response = get(*client({.ca_file = authority_.ca_file}), server->port());
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().message, HasSubstr("expired"));
}

TEST_F(TlsTest, a_certificate_for_another_name_is_refused) {
  const auto server = serve(authority_.issue("server", {"localhost", "DNS:elsewhere.example,IP:127.0.0.2"}));
  const auto trusting = client({.ca_file = authority_.ca_file});
  EXPECT_THAT(get(*trusting, server->port()).error().message, HasSubstr("mismatch"));
  EXPECT_THAT(get(*trusting, server->port(), "127.0.0.1").error().message, HasSubstr("mismatch"));
}

TEST_F(TlsTest, skip_verify_accepts_anything) {
  const auto server = serve(stranger_.issue("server", {"x", "DNS:elsewhere.example", -60}));
  EXPECT_TRUE(get(*client({.skip_verify = true}), server->port()));
}

TEST_F(TlsTest, a_server_that_requires_client_certificates_knows_who_calls) {
  const auto own = authority_.issue("server", local_);
  const auto server =
      serve_with({.cert_file = own.cert_file, .key_file = own.key_file, .client_ca_file = authority_.ca_file});
  const auto good = authority_.issue("good", {"participant 12345678", ""});
  const auto named = get(
      *client({.ca_file = authority_.ca_file, .cert_file = good.cert_file, .key_file = good.key_file}), server->port());
  ASSERT_TRUE(named) << named.error().message;
  EXPECT_EQ(named->body, "CN=participant 12345678");
  const auto forged = stranger_.issue("forged", {"participant 12345678", ""});
  EXPECT_FALSE(get(*client({.ca_file = authority_.ca_file, .cert_file = forged.cert_file, .key_file = forged.key_file}),
                   server->port()));
  EXPECT_FALSE(get(*client({.ca_file = authority_.ca_file}), server->port()));
}

TEST_F(TlsTest, optional_client_certificates_are_believed_only_when_they_verify) {
  const auto own = authority_.issue("server", local_);
  const auto server = serve_with({.cert_file = own.cert_file,
                                  .key_file = own.key_file,
                                  .client_ca_file = authority_.ca_file,
                                  .client_certificates = ClientCertificates::optional});
  EXPECT_EQ(get(*client({.ca_file = authority_.ca_file}), server->port())->body, "somebody");
  const auto forged = stranger_.issue("forged", {"x", ""});
  EXPECT_FALSE(get(*client({.ca_file = authority_.ca_file, .cert_file = forged.cert_file, .key_file = forged.key_file}),
                   server->port()));
}

TEST_F(TlsTest, reload_serves_new_connections_with_the_new_certificate_and_leaves_old_ones_alone) {
  const auto server = serve(authority_.issue("server", local_));
  const auto old_world = client({.ca_file = authority_.ca_file});
  ASSERT_TRUE(get(*old_world, server->port()));
  stranger_.issue("server", local_);
  ASSERT_TRUE(context_->reload());
  EXPECT_TRUE(get(*client({.ca_file = stranger_.ca_file}), server->port()));
  EXPECT_TRUE(get(*old_world, server->port())) << "the kept connection was dropped";
  EXPECT_FALSE(get(*client({.ca_file = authority_.ca_file}), server->port()));
}

TEST_F(TlsTest, reload_while_serving_disturbs_nobody) {
  const auto server = serve(authority_.issue("server", local_));
  std::thread caller([&] {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(get(*client({.ca_file = authority_.ca_file}), server->port()));
  });
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(context_->reload());
  caller.join();
}

TEST_F(TlsTest, a_faulty_file_is_named_and_the_old_certificates_stay) {
  const auto files = authority_.issue("server", local_);
  const auto server = serve(files);
  folder_.write("server.crt", "not a certificate");
  const auto reloaded = context_->reload();
  ASSERT_FALSE(reloaded);
  EXPECT_THAT(reloaded.error().message, HasSubstr(files.cert_file));
  EXPECT_TRUE(get(*client({.ca_file = authority_.ca_file}), server->port()));
}

TEST_F(TlsTest, a_look_at_the_files_reloads_once_both_of_a_pair_are_there) {
  const auto server = serve(authority_.issue("server", local_));
  const auto before = context_->files();
  EXPECT_EQ(context_->reload_if_changed().value(), false);
  EXPECT_EQ(context_->files(), before);

  const auto next = stranger_.issue("next", local_);
  std::filesystem::rename(next.cert_file, folder_.file("server.crt"));
  const auto half = context_->reload_if_changed();
  ASSERT_FALSE(half) << "the certificate has come, its key has not";
  EXPECT_THAT(half.error().message, HasSubstr("server.key"));
  EXPECT_EQ(context_->reload_if_changed().value(), false) << "told once, not at every look";
  EXPECT_TRUE(get(*client({.ca_file = authority_.ca_file}), server->port()));

  std::filesystem::rename(next.key_file, folder_.file("server.key"));
  EXPECT_EQ(context_->reload_if_changed().value(), true);
  EXPECT_NE(context_->files(), before);
  EXPECT_TRUE(get(*client({.ca_file = stranger_.ca_file}), server->port()));
}

TEST_F(TlsTest, every_fault_of_a_file_names_it) {
  const auto one = authority_.issue("one", local_);
  const auto two = authority_.issue("two", local_);
  const auto error_of = [](const TlsServerOptions& options) {
    const auto loaded = TlsServerContext::load(options);
    EXPECT_FALSE(loaded);
    return loaded ? "" : loaded.error().message;
  };
  EXPECT_THAT(error_of({.cert_file = folder_.file("none"), .key_file = one.key_file}), HasSubstr(folder_.file("none")));
  EXPECT_THAT(error_of({.cert_file = one.cert_file, .key_file = folder_.file("none")}),
              HasSubstr(folder_.file("none")));
  EXPECT_THAT(error_of({.cert_file = one.cert_file, .key_file = two.key_file}), HasSubstr(two.key_file));
  EXPECT_THAT(error_of({.cert_file = one.cert_file, .key_file = one.key_file, .client_ca_file = one.key_file}),
              HasSubstr(one.key_file));
  EXPECT_FALSE(TlsServerContext::load({}));
  EXPECT_FALSE(TlsClientContext::load({.ca_file = folder_.file("none")}));
  EXPECT_FALSE(TlsClientContext::load({.cert_file = one.cert_file}));
}

TEST_F(TlsTest, plain_text_to_a_tls_port_is_dropped) {
  const auto server = serve(authority_.issue("server", local_));
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_EQ(peer.rest().find("HTTP/1.1 200"), std::string::npos);
}

TEST_F(TlsTest, a_handshake_that_stalls_is_dropped) {
  const auto certificate = authority_.issue("server", local_);
  const auto tls = TlsServerContext::load({.cert_file = certificate.cert_file, .key_file = certificate.key_file});
  const auto server = HttpServer::start({.header_timeout = 40ms, .tls = *tls}, who_are_you);
  TestPeer peer = TestPeer::connect((*server)->port());
  ASSERT_TRUE(peer.send("\x16\x03\x01"));
  EXPECT_TRUE(peer.closed());
}

TEST_F(TlsTest, the_deadline_bounds_the_handshake) {
  TestListener silent;
  const auto response =
      client({.skip_verify = true})->send({true, "127.0.0.1", silent.port()}, Request{}, Deadline::in(30ms));
  EXPECT_EQ(response.error().code, Code::deadline);
}

}  // namespace
}  // namespace chaveiro::net
