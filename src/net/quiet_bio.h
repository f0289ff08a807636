// net/quiet_bio.h
//
// OpenSSL's own socket BIO raises SIGPIPE on a dead connection; this one does not. And the name that a server's certificate must bear.
//
// Threads: as the session that it belongs to.
#pragma once

#include <string>

struct bio_st;
struct ssl_st;

namespace chaveiro::net {

// Null: no memory. It does not own the descriptor.
bio_st* make_quiet_bio(int fd);

// An address is compared with the addresses in the certificate, a name with its names and told to the server.
void expect_name(ssl_st* session, const std::string& host);

}  // namespace chaveiro::net
