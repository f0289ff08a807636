// directory/ids.h
//
// The identifiers of the domain as types of their own, so that an account's id cannot be handed in where an entry's is
// meant.
//
// EntryId, ClaimId: UUIDv7. RequestId: UUIDv4, chosen by whoever asks. AccountId: UUIDv5 over
// `ispb|branch|number|type`, so that the same account always has the same id (account.h). Threads: plain values.
#pragma once

#include <array>
#include <compare>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/uuid.h"

namespace chaveiro::directory {

template <class Tag>
struct Id {
  Uuid uuid;
  auto operator<=>(const Id&) const = default;

  // Errors: invalid, where the text is no UUID.
  static Result<Id> parse(std::string_view text) {
    TRY(const Uuid uuid, Uuid::parse(text));
    return Id{uuid};
  }
};

template <class Tag>
std::string to_string(const Id<Tag>& id) {
  return to_string(id.uuid);
}

using EntryId = Id<struct EntryTag>;
using ClaimId = Id<struct ClaimTag>;
using AccountId = Id<struct AccountTag>;
using RequestId = Id<struct RequestTag>;

// A participant of Pix: the eight characters of its ISPB (digits today, letters too from API 2.12 on; kept in upper
// case).
struct Ispb {
  std::array<char, 8> text{};
  auto operator<=>(const Ispb&) const = default;
  std::string_view view() const { return {text.data(), text.size()}; }

  // Errors: invalid, unless the text is eight ASCII letters or digits.
  static Result<Ispb> parse(std::string_view text);
};

inline std::string to_string(const Ispb& ispb) { return std::string(ispb.view()); }

}  // namespace chaveiro::directory

template <class Tag>
struct std::hash<chaveiro::directory::Id<Tag>> {
  std::size_t operator()(const chaveiro::directory::Id<Tag>& id) const noexcept {
    return std::hash<chaveiro::Uuid>{}(id.uuid);
  }
};
template <>
struct std::hash<chaveiro::directory::Ispb> {
  std::size_t operator()(const chaveiro::directory::Ispb& ispb) const noexcept {
    return std::hash<std::string_view>{}(ispb.view());
  }
};
