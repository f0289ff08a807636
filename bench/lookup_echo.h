// bench/lookup_echo.h
//
// The barest gRPC services that answer LookupKey: the same message that our own server gave, with the key that was asked for, and
// nothing else: no token, no limit, no record, no data.
#pragma once

#include <string>

namespace chaveiro::bench {

// Serves until SIGTERM. `kind`: callback, sync, or raw (callback, bytes instead of messages). `template_file` holds a serialised
// LookupKeyResponse.
int serve_echo(const std::string& kind, const std::string& template_file);

}  // namespace chaveiro::bench
