#include "api/page_token.h"

#include <cstring>

namespace chaveiro::api {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t scope_bytes = 16;
constexpr std::size_t mac_bytes = 16;
constexpr std::size_t body_bytes = 1 + 8 + 8 + 16 + scope_bytes;
constexpr std::size_t token_bytes = body_bytes + mac_bytes;
constexpr std::size_t text_length = (token_bytes * 4 + 2) / 3;

void put_int(std::string& out, std::int64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xff));
}

std::int64_t get_int(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return static_cast<std::int64_t>(value);
}

// A filter as bytes that no other filter has: every field with its length in front, absent fields apart from empty ones.
class ScopeText {
 public:
  ScopeText(std::string_view list, const directory::Ispb& ispb) { add(list).add(ispb.view()); }

  ScopeText& add(std::string_view text) {
    put_int(text_, static_cast<std::int64_t>(text.size()));
    text_ += text;
    return *this;
  }
  ScopeText& add(const std::optional<std::string>& text) { return text ? add(std::string_view(*text)) : absent(); }
  ScopeText& add(const std::optional<Uuid>& id) { return id ? add(as_text(id->bytes())) : absent(); }
  ScopeText& add(const std::optional<UtcTime>& time) {
    if (!time) return absent();
    put_int(text_, 8);
    put_int(text_, time->time_since_epoch().count());
    return *this;
  }
  template <class Enum>
    requires std::is_enum_v<Enum>
  ScopeText& add(const std::optional<Enum>& value) {
    return value ? add(to_string(*value)) : absent();
  }
  ScopeText& add(const std::optional<std::vector<directory::AccountId>>& ids) {
    if (!ids) return absent();
    put_int(text_, static_cast<std::int64_t>(ids->size()));
    for (const auto& id : *ids) add(as_text(id.uuid.bytes()));
    return *this;
  }

  PageScope scope() const { return PageScope{sha256(text_)}; }

 private:
  ScopeText& absent() { return put_int(text_, -1), *this; }
  std::string text_;
};

Error refused(std::string description, std::string reason) {
  return fail_field("page_token", std::move(description), std::move(reason));
}

}  // namespace

PageScope page_scope(const directory::EntryFilter& filter) {
  return ScopeText("entries", filter.ispb).add(filter.accounts).add(filter.key_type).add(filter.status).scope();
}
PageScope page_scope(const directory::AccountFilter& filter) {
  return ScopeText("accounts", filter.ispb).add(filter.accounts).add(filter.holder_tax_id).scope();
}
PageScope page_scope(const directory::ClaimFilter& filter) {
  return ScopeText("claims", filter.ispb)
      .add(directory::to_string(filter.role))
      .add(filter.accounts)
      .add(filter.status)
      .scope();
}
PageScope page_scope(const directory::AuditFilter& filter) {
  return ScopeText("audit", filter.ispb)
      .add(filter.resource)
      .add(filter.actor)
      .add(filter.operation)
      .add(filter.from)
      .add(filter.until)
      .scope();
}

PageTokens::PageTokens(const Secret& installation_key, const Clock& clock)
    : key_(as_text(hmac_sha256(installation_key.expose(), "chaveiro page token"))), clock_(clock) {}

std::string PageTokens::make(const PageScope& scope, const directory::Position& position) const {
  std::string bytes;
  bytes.reserve(token_bytes);
  bytes.push_back(static_cast<char>(version));
  put_int(bytes, std::chrono::floor<std::chrono::seconds>(clock_.now()).time_since_epoch().count());
  put_int(bytes, position.created_at.time_since_epoch().count());
  bytes += as_text(position.id.bytes());
  bytes += as_text(ByteView(scope.digest).first(scope_bytes));
  const Digest256 mac = key_.sign(bytes);
  bytes += as_text(ByteView(mac).first(mac_bytes));
  return to_base64url(as_bytes(bytes));
}

Result<directory::Position> PageTokens::read(const PageScope& scope, std::string_view token) const {
  if (token.size() != text_length)
    return refused("is not a token that we made (its length is wrong)", "PageTokenInvalid");
  const auto decoded = parse_base64url(token);
  if (!decoded || decoded->size() != token_bytes)
    return refused("is not a token that we made (it is not base64url)", "PageTokenInvalid");
  const std::string_view bytes = *decoded;
  const Digest256 mac = key_.sign(bytes.substr(0, body_bytes));
  if (!constant_time_equal(as_text(ByteView(mac).first(mac_bytes)), bytes.substr(body_bytes)))
    return refused("was changed, or was not made here", "PageTokenInvalid");
  if (static_cast<std::uint8_t>(bytes[0]) != version)
    return refused("is of another version of this service; start the list again", "PageTokenInvalid");
  const auto made_at = UtcTime{std::chrono::seconds{get_int(bytes.substr(1))}};
  if (clock_.now() - made_at > lifetime)
    return refused("is older than 24 hours; start the list again", "PageTokenExpired");
  if (bytes.substr(33, scope_bytes) != as_text(ByteView(scope.digest).first(scope_bytes)))
    return refused("belongs to another list, filter or participant", "PageTokenInvalid");
  directory::Position position;
  position.created_at = UtcTime{Micros{get_int(bytes.substr(9))}};
  Uuid::Bytes id;
  std::memcpy(id.data(), bytes.data() + 17, id.size());
  position.id = Uuid(id);
  return position;
}

Result<directory::PageRequest> PageTokens::request(const PageScope& scope, std::int64_t size,
                                                   std::string_view token) const {
  if (size < 0 || size > size_max)
    return fail_field("page_size", "must be 1 to " + std::to_string(size_max) + ", or 0 for the default of " +
                                       std::to_string(size_default));
  directory::PageRequest page;
  page.limit = static_cast<std::size_t>(size == 0 ? size_default : size);
  if (!token.empty()) {
    TRY(page.after, read(scope, token));
  }
  return page;
}

}  // namespace chaveiro::api
