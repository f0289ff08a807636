// api/grpc/tls_credentials.h
//
// gRPC behind the TLS context that the HTTP server uses too: the same files, accepted by the same rules, and replaced at
// the same moment. gRPC asks at each handshake whether there is something newer; connections that stand keep what they have.
//
// gRPC's own watcher of files is not used: it takes a certificate and a key that do not belong together, and then
// refuses every connection until its next look.
//
// Threads: any number.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "net/tls.h"

namespace chaveiro::api::grpc {

std::shared_ptr<::grpc::ServerCredentials> tls_credentials(std::shared_ptr<net::TlsServerContext> tls);

}  // namespace chaveiro::api::grpc
