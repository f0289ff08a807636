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

  api::grpc::ServerOptions options() {
    api::grpc::ServerOptions options;
    options.tls_cert_file = server_files.cert_file;
    options.tls_key_file = server_files.key_file;
    return options;
  }
  // OK when the call reached the service: its answer needs no token.
  StatusCode ask(const ::grpc::SslCredentialsOptions& with_certificates) {
    const auto tls = ::grpc::CreateChannel(address(), ::grpc::SslCredentials(with_certificates));
    ::grpc::ClientContext context;
    core::HealthCheckResponse told;
    return core::CoreDictService::NewStub(tls)->HealthCheck(&context, google::protobuf::Empty(), &told).error_code();
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
  api::grpc::ServerOptions mutual = options();
  mutual.tls_client_ca_file = authority.ca_file;
  start(mutual);
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

TEST_F(GrpcTls, files_that_do_not_fit_stop_the_start_and_are_named) {
  api::grpc::ServerOptions wrong = options();
  wrong.tls_key_file = client_files.key_file;
  const auto refused = api::grpc::Server::start(
      wrong, {chain, directory, portabilities, page_tokens, *pool, health, nullptr, {}, clock});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_NE(refused.error().message.find(client_files.key_file), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace chaveiro
