// The gRPC edge behind TLS, with and without client certificates.
#include <fstream>

#include "net/test_certificates.h"
#include "tests/integration/grpc_edge.h"

namespace chaveiro {
namespace {

using ::grpc::StatusCode;

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct GrpcTls : GrpcEdge {
  net::TestFolder folder;
  net::TestAuthority authority{folder, "authority"};
  net::TestCertificate server_files = authority.issue("server", {"server", "DNS:localhost,IP:127.0.0.1"});
  net::TestCertificate client_files = authority.issue("client", {"client", ""});

  std::shared_ptr<net::TlsServerContext> tls;

  api::grpc::ServerOptions options(const std::string& client_ca = "") {
    api::grpc::ServerOptions options;
    tls = net::TlsServerContext::load({server_files.cert_file, server_files.key_file, client_ca}).value();
    options.tls = tls;
    return options;
  }
  // OK when the call reached the service: its answer needs no token.
  StatusCode ask(const ::grpc::SslCredentialsOptions& with_certificates) {
    const auto encrypted = ::grpc::CreateChannel(address(), ::grpc::SslCredentials(with_certificates));
    ::grpc::ClientContext context;
    core::HealthCheckResponse told;
    return core::CoreDictService::NewStub(encrypted)
        ->HealthCheck(&context, google::protobuf::Empty(), &told)
        .error_code();
  }
};

TEST_F(GrpcTls, speaks_tls_to_who_trusts_its_authority_and_nothing_in_plain_text) {
  start(options());
  EXPECT_EQ(ask({.pem_root_certs = text_of(authority.ca_file)}), StatusCode::OK);
  const net::TestAuthority other(folder, "other");
  EXPECT_EQ(ask({.pem_root_certs = text_of(other.ca_file)}), StatusCode::UNAVAILABLE);
  core::HealthCheckResponse told;
  EXPECT_EQ(call(&core::CoreDictService::Stub::HealthCheck, google::protobuf::Empty(), told).error_code(),
            StatusCode::UNAVAILABLE);
}

TEST_F(GrpcTls, asks_for_client_certificates_of_the_right_authority) {
  start(options(authority.ca_file));
  EXPECT_EQ(ask({.pem_root_certs = text_of(authority.ca_file)}), StatusCode::UNAVAILABLE);
  EXPECT_EQ(ask({.pem_root_certs = text_of(authority.ca_file),
                 .pem_private_key = text_of(client_files.key_file),
                 .pem_cert_chain = text_of(client_files.cert_file)}),
            StatusCode::OK);
  net::TestAuthority other(folder, "other");
  const auto stranger = other.issue("stranger", {"stranger", ""});
  EXPECT_EQ(ask({.pem_root_certs = text_of(authority.ca_file),
                 .pem_private_key = text_of(stranger.key_file),
                 .pem_cert_chain = text_of(stranger.cert_file)}),
            StatusCode::UNAVAILABLE);
}

TEST_F(GrpcTls, certificates_that_were_replaced_hold_for_the_next_connection) {
  start(options(authority.ca_file));
  const ::grpc::SslCredentialsOptions old_world{.pem_root_certs = text_of(authority.ca_file),
                                                .pem_private_key = text_of(client_files.key_file),
                                                .pem_cert_chain = text_of(client_files.cert_file)};
  const auto kept = core::CoreDictService::NewStub(::grpc::CreateChannel(address(), ::grpc::SslCredentials(old_world)));
  const auto ask_kept = [&] {
    ::grpc::ClientContext context;
    core::HealthCheckResponse told;
    return kept->HealthCheck(&context, google::protobuf::Empty(), &told).error_code();
  };
  ASSERT_EQ(ask_kept(), StatusCode::OK);

  // Half of it: a certificate without its key changes nothing.
  const net::TestAuthority other(folder, "other");
  const auto next = other.issue("next", {"server", "DNS:localhost,IP:127.0.0.1"});
  std::filesystem::rename(next.cert_file, server_files.cert_file);
  EXPECT_FALSE(tls->reload());
  EXPECT_EQ(ask(old_world), StatusCode::OK);

  std::filesystem::rename(next.key_file, server_files.key_file);
  std::filesystem::rename(other.ca_file, authority.ca_file);
  ASSERT_TRUE(tls->reload());
  const auto client = other.issue("client-of-other", {"client", ""});
  EXPECT_EQ(ask({.pem_root_certs = text_of(authority.ca_file),
                 .pem_private_key = text_of(client.key_file),
                 .pem_cert_chain = text_of(client.cert_file)}),
            StatusCode::OK);
  EXPECT_EQ(ask(old_world), StatusCode::UNAVAILABLE);
  EXPECT_EQ(ask_kept(), StatusCode::OK) << "a connection that stood was dropped";
}

}  // namespace
}  // namespace chaveiro
