// net/quiet_bio.h
//
// OpenSSL's own socket BIO raises SIGPIPE on a dead connection; this one does not. And the name that a server's certificate must bear.
//
// Threads: as the session that it belongs to.
#pragma once

#include <string>

#include "base/result.h"

struct bio_st;
struct ssl_st;

namespace chaveiro::net {

// Null: no memory. It does not own the descriptor.
bio_st* make_quiet_bio(int fd);

// A name is told to the server. `verify`: the certificate must bear it, or the address. Errors: invalid, where no certificate could: without
// a name any certificate of the authority would do.
Result<void> expect_name(ssl_st* session, const std::string& host, bool verify = true);

}  // namespace chaveiro::net
