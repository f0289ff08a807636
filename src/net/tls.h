// net/tls.h
//
// TLS contexts made from files: a server's (with client certificates where wanted) and a client's. Verification is on
// unless a switch turns it off. reload() reads the files again: connections made from then on use them, those that
// stand keep what they have, and a fault (also: files that do not belong together, because only one of them has been
// replaced so far) leaves everything as it was.
//
// Threads: any number; reload() beside connections too.
// Errors:  invalid, always naming the file that is at fault and what is wrong with it.
// Source:  RFC 8446, RFC 5246, RFC 9525 (names in certificates).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/guarded.h"
#include "base/result.h"
#include "base/secret.h"

struct ssl_ctx_st;

namespace chaveiro::net {

enum class TlsVersion : std::uint8_t { tls1_2, tls1_3 };
enum class ClientCertificates : std::uint8_t {
  none,      // not asked for
  optional,  // asked for; one that is shown must verify
  required,  // no certificate, no connection
};

struct TlsServerOptions {
  std::string cert_file;       // PEM, our certificate first and its chain behind it; must be set
  std::string key_file;        // PEM; must be set and belong to the certificate
  std::string client_ca_file;  // PEM of the authorities whose client certificates we accept; empty: none are asked for
  ClientCertificates client_certificates = ClientCertificates::required;  // only where client_ca_file is set
  TlsVersion version_min = TlsVersion::tls1_2;
};

struct TlsClientOptions {
  std::string ca_file;    // PEM of the authorities to trust; empty: those of the system
  std::string cert_file;  // our client certificate and chain; empty: we show none
  std::string key_file;   // its key; set exactly when cert_file is
  TlsVersion version_min = TlsVersion::tls1_2;
  // Accepts any certificate for any name. Whoever sets it warns in the log: the connection is then secret from nobody
  // who can stand in the middle.
  bool skip_verify = false;
};

// What the files of a server held when they were accepted, for a server that brings a TLS of its own.
struct TlsServerFiles {
  std::string cert;
  Secret key;
  std::string client_ca;  // "": no client certificates

  bool operator==(const TlsServerFiles&) const = default;
};

using TlsContextHandle = std::shared_ptr<ssl_ctx_st>;

class TlsServerContext {
 public:
  static Result<std::shared_ptr<TlsServerContext>> load(TlsServerOptions options);
  Result<void> reload();
  // Reloads when a file holds something else than at the last look: a fault is told once for each change, not at every
  // look. True: connections get other certificates from now on.
  Result<bool> reload_if_changed();
  TlsContextHandle current() const;
  // The same object as long as nothing was reloaded.
  std::shared_ptr<const TlsServerFiles> files() const;
  const TlsServerOptions& options() const { return options_; }

 private:
  struct State {
    TlsContextHandle context;
    std::shared_ptr<const TlsServerFiles> files;
    TlsServerFiles looked_at;  // also what was refused
  };
  TlsServerContext(TlsServerOptions options, State state);
  Result<void> replace(TlsServerFiles fresh);
  const TlsServerOptions options_;
  Guarded<State> state_;
};

class TlsClientContext {
 public:
  static Result<std::shared_ptr<TlsClientContext>> load(TlsClientOptions options);
  Result<void> reload();
  TlsContextHandle current() const;
  const TlsClientOptions& options() const { return options_; }

 private:
  TlsClientContext(TlsClientOptions options, TlsContextHandle context);
  const TlsClientOptions options_;
  Guarded<TlsContextHandle> context_;
};

}  // namespace chaveiro::net
