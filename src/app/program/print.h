// app/program/print.h
//
// How answers of the server look at a terminal: as JSON (--json, one object, field names as in the API), or for people: one `name
// value` line a field, and a table where the answer is a list. Moments are RFC 3339, enum values lose their prefix.
//
// Threads: pure functions.
#pragma once

#include <string>

#include "base/result.h"

namespace google::protobuf {
class Message;
}

namespace chaveiro::app {

std::string to_json(const google::protobuf::Message& message);
std::string for_people(const google::protobuf::Message& message);

// "error: …", the faulty fields below it, and what to do about it where that can be said.
std::string for_people(const Error& error);
std::string to_json(const Error& error);

}  // namespace chaveiro::app
