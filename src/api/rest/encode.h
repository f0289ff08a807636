// api/rest/encode.h
//
// Values of the domain as the JSON of the API. The shapes are those of schemas.h, and a test holds one against the other.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "api/health.h"
#include "api/operations.h"
#include "api/rest/json.h"
#include "directory/directory.h"

namespace chaveiro::api::rest {

void write(JsonWriter& out, const directory::Entry& entry);
void write(JsonWriter& out, const directory::Account& account);
void write(JsonWriter& out, const directory::Claim& claim);
void write(JsonWriter& out, const directory::AuditView& view);
void write(JsonWriter& out, const directory::LookupAnswer& answer);
void write(JsonWriter& out, const Portability& portability);
void write(JsonWriter& out, const directory::AccountVerification& verification);
void write(JsonWriter& out, const directory::Statistics& statistics);
void write(JsonWriter& out, const Health& health);

template <class T>
std::string encode(const T& value) {
  JsonWriter out;
  write(out, value);
  return out.take();
}

// A page of a list under its name ("entries"); an empty token is written as null.
template <class T>
std::string encode_page(std::string_view name, const directory::Page<T>& page, std::string_view next_token) {
  JsonWriter out;
  out.begin_object().name(name).begin_list();
  for (const T& item : page.items) write(out, item);
  out.end_list().name("next_page_token");
  next_token.empty() ? out.null() : out.text(next_token);
  out.name("total_count").unsigned_integer(page.total).end_object();
  return out.take();
}

}  // namespace chaveiro::api::rest
