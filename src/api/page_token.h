// api/page_token.h
//
// Opaque page tokens: where the last page ended, bound to the list, its filter and the participant, so that a token can
// be neither forged nor carried over to another list, filter or participant. Good for 24 hours.
//
//   token = base64url( version(1) made_at_s(8) created_at_us(8) id(16) scope(16) mac(16) )
//   scope = SHA-256 of list, participant and filter, first 16 bytes;  mac = HMAC-SHA-256 over all before it, first 16
//
// Threads: any number at once. Time: about 1 µs.
// Errors:  invalid with the violation "page_token" (PageTokenInvalid: damaged, forged or of another list;
//          PageTokenExpired) or "page_size".
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/hash.h"
#include "base/secret.h"
#include "directory/store.h"

namespace chaveiro::api {

// What a token is bound to.
struct PageScope {
  Digest256 digest{};
};
PageScope page_scope(const directory::EntryFilter& filter);
PageScope page_scope(const directory::AccountFilter& filter);
PageScope page_scope(const directory::ClaimFilter& filter);
PageScope page_scope(const directory::AuditFilter& filter);

class PageTokens {
 public:
  static constexpr std::int64_t size_default = 20;
  static constexpr std::int64_t size_max = 200;
  static constexpr std::chrono::hours lifetime{24};

  PageTokens(const Secret& installation_key, const Clock& clock);

  std::string make(const PageScope& scope, const directory::Position& position) const;
  Result<directory::Position> read(const PageScope& scope, std::string_view token) const;

  // Size and token of a request as a directory::PageRequest: size 0 is the default, token "" the start.
  Result<directory::PageRequest> request(const PageScope& scope, std::int64_t size, std::string_view token) const;
  // The token of the page after this one; "" when this was the last.
  template <class T>
  std::string next(const PageScope& scope, const directory::Page<T>& page) const {
    return page.next ? make(scope, *page.next) : std::string();
  }

 private:
  HmacKey key_;
  const Clock& clock_;
};

}  // namespace chaveiro::api
