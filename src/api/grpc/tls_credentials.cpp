#include "api/grpc/tls_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "base/check.h"
#include "base/guarded.h"

namespace chaveiro::api::grpc {
namespace {

// gRPC's C++ layer offers no certificates that change, its C layer does.
class Credentials final : public ::grpc::ServerCredentials {
 public:
  explicit Credentials(std::shared_ptr<net::TlsServerContext> tls) : tls_(std::move(tls)) {
    const auto clients = tls_->options().client_ca_file.empty()
                             ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                             : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(clients, fetch, this));
  }
  ~Credentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<::grpc::AuthMetadataProcessor>&) override {
    CHECK(false && "who calls is decided by the chain");
  }

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  static grpc_ssl_certificate_config_reload_status fetch(void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<Credentials*>(self)->fetch_into(config);
  }

  grpc_ssl_certificate_config_reload_status fetch_into(grpc_ssl_server_certificate_config** config) {
    auto given = given_.lock();
    const auto files = tls_->files();
    if (files == *given) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const std::string key(files->key.expose());
    const grpc_ssl_pem_key_cert_pair pair{key.c_str(), files->cert.c_str()};
    // gRPC stops the process where there are no authorities; where no client is asked for a certificate, they mean nothing.
    const std::string& authorities = files->client_ca.empty() ? files->cert : files->client_ca;
    *config = grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
    *given = files;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const std::shared_ptr<net::TlsServerContext> tls_;
  grpc_server_credentials* credentials_;
  Guarded<std::shared_ptr<const net::TlsServerFiles>> given_;
};

}  // namespace

std::shared_ptr<::grpc::ServerCredentials> tls_credentials(std::shared_ptr<net::TlsServerContext> tls) {
  return std::make_shared<Credentials>(std::move(tls));
}

}  // namespace chaveiro::api::grpc
