#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdio>
#include <utility>

#include "base/file.h"

namespace chaveiro::net {
namespace {

// The newest reason that OpenSSL has noted, in its words.
std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason != nullptr ? reason : "not usable";
}

Error bad_file(const std::string& file, std::string_view what) {
  return fail(Code::invalid, "TlsConfiguration", file + ": " + std::string(what) + " (" + openssl_reason() + ")");
}

Result<TlsContextHandle> make_context(const SSL_METHOD* method, TlsVersion version_min) {
  TlsContextHandle context(SSL_CTX_new(method), [](SSL_CTX* raw) { SSL_CTX_free(raw); });
  if (!context) return fail(Code::internal, "TlsConfiguration", "no TLS context: " + openssl_reason());
  SSL_CTX_set_min_proto_version(context.get(), version_min == TlsVersion::tls1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

bool readable(const std::string& file) {
  std::FILE* opened = std::fopen(file.c_str(), "rb");
  if (opened == nullptr) return false;
  std::fclose(opened);
  return true;
}

Result<void> use_certificate(SSL_CTX* context, const std::string& cert_file, const std::string& key_file) {
  ERR_clear_error();
  if (!readable(cert_file)) return fail(Code::invalid, "TlsConfiguration", cert_file + ": cannot be read");
  if (!readable(key_file)) return fail(Code::invalid, "TlsConfiguration", key_file + ": cannot be read");
  if (SSL_CTX_use_certificate_chain_file(context, cert_file.c_str()) != 1) {
    return bad_file(cert_file, "no certificate in PEM");
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return bad_file(key_file, "no private key in PEM, or not that of " + cert_file);
  }
  if (SSL_CTX_check_private_key(context) != 1) return bad_file(key_file, "not the key of " + cert_file);
  return {};
}

Result<void> trust(SSL_CTX* context, const std::string& ca_file) {
  ERR_clear_error();
  if (!readable(ca_file)) return fail(Code::invalid, "TlsConfiguration", ca_file + ": cannot be read");
  if (SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr) != 1) {
    return bad_file(ca_file, "no certificates of authorities in PEM");
  }
  return {};
}

Result<TlsContextHandle> make_server(const TlsServerOptions& options) {
  if (options.cert_file.empty() || options.key_file.empty()) {
    return fail(Code::invalid, "TlsConfiguration", "a server needs a certificate file and a key file");
  }
  TRY(TlsContextHandle context, make_context(TLS_server_method(), options.version_min));
  TRY_VOID(use_certificate(context.get(), options.cert_file, options.key_file));
  // Without an identity, resumed sessions would be refused where clients show certificates.
  static constexpr unsigned char identity[] = "chaveiro";
  SSL_CTX_set_session_id_context(context.get(), identity, sizeof identity - 1);
  if (!options.client_ca_file.empty() && options.client_certificates != ClientCertificates::none) {
    TRY_VOID(trust(context.get(), options.client_ca_file));
    STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(options.client_ca_file.c_str());
    if (names == nullptr) return bad_file(options.client_ca_file, "no certificates of authorities in PEM");
    SSL_CTX_set_client_CA_list(context.get(), names);
    const bool required = options.client_certificates == ClientCertificates::required;
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  }
  return context;
}

Result<TlsContextHandle> make_client(const TlsClientOptions& options) {
  if (options.cert_file.empty() != options.key_file.empty()) {
    return fail(Code::invalid, "TlsConfiguration", "a client certificate file and its key file go together");
  }
  TRY(TlsContextHandle context, make_context(TLS_client_method(), options.version_min));
  if (!options.cert_file.empty()) TRY_VOID(use_certificate(context.get(), options.cert_file, options.key_file));
  if (!options.ca_file.empty()) {
    TRY_VOID(trust(context.get(), options.ca_file));
  } else if (!options.skip_verify && SSL_CTX_set_default_verify_paths(context.get()) != 1) {
    return fail(Code::invalid, "TlsConfiguration", "the system's authorities cannot be loaded: " + openssl_reason());
  }
  SSL_CTX_set_verify(context.get(), options.skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  return context;
}

constexpr std::size_t file_bytes_max = 4u << 20;

Result<std::string> text_of(const std::string& file) {
  if (file.empty()) return std::string();
  auto text = read_file(file, file_bytes_max);
  if (!text) return fail(Code::invalid, "TlsConfiguration", text.error().message);
  return text;
}

Result<TlsServerFiles> read(const TlsServerOptions& options) {
  TlsServerFiles files;
  TRY(files.cert, text_of(options.cert_file));
  TRY(std::string key, text_of(options.key_file));
  files.key = Secret(std::move(key));
  TRY(files.client_ca, text_of(options.client_ca_file));
  return files;
}

// OpenSSL reads the files by itself: what it accepted is `files` only when nobody wrote in between.
Result<TlsContextHandle> make_server_of(const TlsServerOptions& options, const TlsServerFiles& files) {
  TRY(TlsContextHandle context, make_server(options));
  TRY(const TlsServerFiles after, read(options));
  if (after == files) return context;
  return fail(Code::invalid, "TlsConfiguration", options.cert_file + ": was written to while it was read");
}

}  // namespace

TlsServerContext::TlsServerContext(TlsServerOptions options, State state)
    : options_(std::move(options)), state_(std::move(state)) {}

Result<std::shared_ptr<TlsServerContext>> TlsServerContext::load(TlsServerOptions options) {
  TRY(TlsServerFiles files, read(options));
  TRY(TlsContextHandle context, make_server_of(options, files));
  State state{std::move(context), std::make_shared<const TlsServerFiles>(files), files};
  return std::shared_ptr<TlsServerContext>(new TlsServerContext(std::move(options), std::move(state)));
}

Result<void> TlsServerContext::replace(TlsServerFiles fresh) {
  TRY(TlsContextHandle context, make_server_of(options_, fresh));
  auto files = std::make_shared<const TlsServerFiles>(std::move(fresh));
  state_.with([&](State& state) {
    state.context.swap(context);
    state.files.swap(files);
  });
  return {};
}

Result<void> TlsServerContext::reload() {
  TRY(TlsServerFiles fresh, read(options_));
  return replace(std::move(fresh));
}

Result<bool> TlsServerContext::reload_if_changed() {
  TRY(TlsServerFiles fresh, read(options_));
  const bool changed = state_.with([&](State& state) {
    if (state.looked_at == fresh) return false;
    state.looked_at = fresh;
    return fresh != *state.files;
  });
  if (changed) TRY_VOID(replace(std::move(fresh)));
  return changed;
}

TlsContextHandle TlsServerContext::current() const {
  return state_.with([](const State& state) { return state.context; });
}

std::shared_ptr<const TlsServerFiles> TlsServerContext::files() const {
  return state_.with([](const State& state) { return state.files; });
}

TlsClientContext::TlsClientContext(TlsClientOptions options, TlsContextHandle context)
    : options_(std::move(options)), context_(std::move(context)) {}

Result<std::shared_ptr<TlsClientContext>> TlsClientContext::load(TlsClientOptions options) {
  TRY(TlsContextHandle context, make_client(options));
  return std::shared_ptr<TlsClientContext>(new TlsClientContext(std::move(options), std::move(context)));
}

Result<void> TlsClientContext::reload() {
  TRY(TlsContextHandle fresh, make_client(options_));
  context_.with([&](TlsContextHandle& context) { context.swap(fresh); });
  return {};
}

TlsContextHandle TlsClientContext::current() const {
  return context_.with([](const TlsContextHandle& context) { return context; });
}

}  // namespace chaveiro::net
