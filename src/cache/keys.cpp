#include "cache/keys.h"

#include <algorithm>
#include <span>

#include "base/encoding.h"

namespace chaveiro::cache {
namespace {

constexpr std::string_view by_key = "dict:entry:key:";
constexpr std::size_t hidden_bytes = 16;  // of the HMAC

// Only what is known to be public is written as it is; a type that comes later is hidden.
bool is_public(std::string_view type) { return type == "CNPJ" || type == "EVP"; }

bool is_hidden_already(std::string_view value) {
  return value.size() == 2 * hidden_bytes &&
         std::ranges::all_of(value, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

void append_hidden(std::string& out, const Digest256& hmac) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const std::uint8_t byte : std::span(hmac).first(hidden_bytes)) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
}

}  // namespace

KeyBuilder::KeyBuilder(const Secret& installation_key, PersonalKeys personal, KeyTimes times)
    : hmac_(installation_key.expose()), personal_(personal), times_(times) {}

CacheKey KeyBuilder::entry_by_key(std::string_view type, std::string_view value) const {
  const bool hidden = personal_ == PersonalKeys::hidden && !is_public(type);
  CacheKey key;
  key.ttl = entry_by_key(key.wire, type, value, hidden ? hmac_.sign(join(type, ":", value)) : Digest256{});
  return key;
}

Micros KeyBuilder::entry_by_key(std::string& name, std::string_view type, std::string_view value,
                                const Digest256& hmac) const {
  name = by_key;
  name += type;
  name += ':';
  if (personal_ == PersonalKeys::plain || is_public(type))
    name += value;
  else
    append_hidden(name, hmac);
  return times_.entry;
}

CacheKey KeyBuilder::foreign_entry(const Digest256& hmac) const {
  CacheKey key{"dict:entry:foreign:", times_.foreign};
  append_hidden(key.wire, hmac);
  return key;
}

std::string KeyBuilder::wire_of(std::string_view name) const {
  if (name.starts_with(by_key)) {
    const std::string_view rest = name.substr(by_key.size());
    const std::size_t colon = rest.find(':');
    if (colon != std::string_view::npos && !is_hidden_already(rest.substr(colon + 1)))
      return entry_by_key(rest.substr(0, colon), rest.substr(colon + 1)).wire;
  }
  return std::string(name);
}

std::string KeyBuilder::join(std::string_view front, std::string_view middle, std::string_view back) {
  std::string out;
  out.reserve(front.size() + middle.size() + back.size());
  out += front;
  out += middle;
  return out += back;
}

}  // namespace chaveiro::cache
