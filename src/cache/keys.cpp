#include "cache/keys.h"

#include <span>

#include "base/encoding.h"

namespace chaveiro::cache {
namespace {

// Only what is known to be public is written as it is; a type that comes later is hidden.
bool is_public(std::string_view type) { return type == "CNPJ" || type == "EVP"; }

}  // namespace

KeyBuilder::KeyBuilder(const Secret& installation_key, PersonalKeys personal)
    : hmac_(installation_key.expose()), personal_(personal) {}

CacheKey KeyBuilder::entry_by_key(std::string_view type, std::string_view value) const {
  std::string wire = join("dict:entry:key:", type, ":");
  if (personal_ == PersonalKeys::plain || is_public(type)) {
    wire += value;
  } else {
    const Digest256 digest = hmac_.sign(join(type, ":", value));
    wire += to_hex(std::span(digest).first(16));
  }
  return {std::move(wire), std::chrono::minutes{5}};
}

std::string KeyBuilder::join(std::string_view front, std::string_view middle, std::string_view back) {
  std::string out;
  out.reserve(front.size() + middle.size() + back.size());
  out += front;
  out += middle;
  return out += back;
}

}  // namespace chaveiro::cache
