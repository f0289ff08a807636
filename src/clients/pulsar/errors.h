// clients/pulsar/errors.h
//
// What a broker's errors mean to a caller, and which of them pass by themselves.
//
// Threads: pure functions.
#pragma once

#include <string_view>

#include "base/result.h"
#include "clients/pulsar/wire/messages.h"

namespace chaveiro::clients::pulsar {

Error error_of(wire::ServerError error, std::string_view message);
// Worth another look-up and another try with back-off.
bool passes_by_itself(const Error& error);

}  // namespace chaveiro::clients::pulsar
