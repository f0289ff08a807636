#include "api/auth.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <unordered_map>
#include <utility>

#include "api/jwks.h"
#include "api/jwt.h"
#include "base/guarded.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/uuid.h"

namespace chaveiro::api {
namespace {

constexpr std::size_t shard_count = 16;
constexpr std::size_t hs256_secret_bytes_min = 32;

Error unauthenticated(std::string reason, std::string message) {
  return fail(Code::unauthenticated, std::move(reason), std::move(message));
}

struct DigestHash {
  std::size_t operator()(const Digest256& digest) const noexcept {
    std::size_t first;
    std::memcpy(&first, digest.data(), sizeof first);
    return first;
  }
};

// A token whose signature and claims were found good.
struct Verified {
  directory::Caller caller;
  UtcTime expires_at{};
  std::uint64_t revocations = 0;  // generation at which it was not revoked
};

// Verified tokens by their SHA-256, the oldest forgotten first.
class Remembered {
 public:
  explicit Remembered(std::size_t tokens_max) : per_shard_max_((tokens_max + shard_count - 1) / shard_count) {}

  std::optional<Verified> find(const Digest256& digest, std::uint64_t revocations) {
    auto shard = shard_of(digest).lock();
    const auto it = shard->tokens.find(digest);
    if (it == shard->tokens.end() || it->second.revocations != revocations) return std::nullopt;
    return it->second;
  }
  void put(const Digest256& digest, const Verified& verified) {
    if (per_shard_max_ == 0) return;
    auto shard = shard_of(digest).lock();
    if (!shard->tokens.insert_or_assign(digest, verified).second) return;
    shard->order.push_back(digest);
    while (shard->tokens.size() > per_shard_max_) {
      shard->tokens.erase(shard->order.front());
      shard->order.pop_front();
    }
  }
  void clear() {
    for (auto& shard : shards_) shard.with([](Shard& it) { it = Shard(); });
  }

 private:
  struct Shard {
    std::unordered_map<Digest256, Verified, DigestHash> tokens;
    std::deque<Digest256> order;  // oldest first; the same digests as in `tokens`
  };
  Guarded<Shard>& shard_of(const Digest256& digest) { return shards_[digest[31] % shard_count]; }

  std::size_t per_shard_max_;
  std::array<Guarded<Shard>, shard_count> shards_;
};

struct ApiKey {
  std::string name;
  Digest256 hash{};
  directory::Roles roles;
};

ApiKey hashed(const ApiKeyOptions& options) {
  constexpr std::string_view prefix = "sha256:";
  const std::string_view text = options.key.expose();
  ApiKey key{options.name, sha256(text), options.roles};
  if (text.starts_with(prefix)) {
    if (const auto bytes = parse_hex(text.substr(prefix.size())); bytes && bytes->size() == key.hash.size())
      std::copy(bytes->begin(), bytes->end(), key.hash.begin());
  }
  return key;
}

}  // namespace

std::optional<directory::Roles> api_key_roles(std::string_view name) {
  if (name == "lb-connect") return directory::Roles{directory::Role::operator_};
  if (name == "backoffice") return directory::Roles{directory::Role::operator_, directory::Role::auditor};
  return std::nullopt;
}

struct Authenticator::Impl {
  Impl(AuthOptions its_options, const Clock& its_clock, Revocations& its_revocations)
      : options(std::move(its_options)),
        clock(its_clock),
        revocations(its_revocations),
        remembered(options.remembered_max) {
    for (const ApiKeyOptions& key : options.api_keys)
      if (!key.key.empty()) api_keys.push_back(hashed(key));
    options.api_keys.clear();
  }

  Result<directory::Caller> by_token(std::string_view token);
  bool has_expired(const Verified& verified) const { return clock.now() >= verified.expires_at + options.leeway; }
  Result<Verified> verify(std::string_view token, const Digest256& digest, std::uint64_t generation);
  Result<void> check_signature(const TokenParts& parts) const;
  Result<void> check_times(const TokenClaims& claims) const;
  Result<void> check_parties(const TokenClaims& claims) const;
  Result<directory::Caller> by_api_key(const Credentials& credentials) const;
  bool serves(const directory::Ispb& ispb) const {
    return std::find(options.served.begin(), options.served.end(), ispb) != options.served.end();
  }

  AuthOptions options;
  const Clock& clock;
  Revocations& revocations;
  std::vector<ApiKey> api_keys;
  Remembered remembered;
  Guarded<std::shared_ptr<const KeySet>> keys;
};

Authenticator::Authenticator(AuthOptions options, const Clock& clock, Revocations& revocations)
    : impl_(std::make_unique<Impl>(std::move(options), clock, revocations)) {
  CHECK(!impl_->options.served.empty());
}
Authenticator::~Authenticator() = default;

Result<void> Authenticator::reload() {
  if (impl_->options.hs256_secret && impl_->options.hs256_secret->expose().size() < hs256_secret_bytes_min)
    return fail(Code::invalid, "SecretTooShort", "the secret for HS256 tokens must have at least 32 bytes");
  if (impl_->options.jwks_file) {
    TRY(KeySet set, KeySet::read_file(*impl_->options.jwks_file));
    *impl_->keys.lock() = std::make_shared<const KeySet>(std::move(set));
  }
  impl_->remembered.clear();
  return {};
}

namespace {

// "Bearer TOKEN": the token; nothing for another scheme.
std::optional<std::string_view> bearer_of(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (!equal_ignoring_ascii_case(authorization.substr(0, scheme.size()), scheme)) return std::nullopt;
  return authorization.substr(scheme.size());
}

bool asks_for_another(const Credentials& credentials, const directory::Caller& caller) {
  return !credentials.requesting_participant.empty() && credentials.requesting_participant != caller.ispb.view();
}

}  // namespace

Result<directory::Caller> Authenticator::authenticate(const Credentials& credentials) {
  if (!credentials.authorization.empty() && !credentials.api_key.empty())
    return unauthenticated("Unauthenticated", "send either `authorization` or `x-api-key`, not both");
  if (!credentials.api_key.empty()) return impl_->by_api_key(credentials);
  if (credentials.authorization.empty())
    return unauthenticated("Unauthenticated", "send `authorization: Bearer TOKEN` or `x-api-key`");
  const auto token = bearer_of(credentials.authorization);
  if (!token) return unauthenticated("Unauthenticated", "`authorization` must be `Bearer TOKEN`");
  TRY(directory::Caller caller, impl_->by_token(*token));
  if (asks_for_another(credentials, caller))
    return fail(Code::forbidden, "Forbidden", "the token is of another participant than `pi-requesting-participant`");
  return caller;
}

std::optional<directory::Caller> Authenticator::known(const Credentials& credentials) {
  if (!credentials.api_key.empty()) return std::nullopt;
  const auto token = bearer_of(credentials.authorization);
  if (!token) return std::nullopt;
  auto verified = impl_->remembered.find(sha256(*token), impl_->revocations.generation());
  if (!verified || impl_->has_expired(*verified) || asks_for_another(credentials, verified->caller))
    return std::nullopt;
  return std::move(verified->caller);
}

Result<directory::Caller> Authenticator::Impl::by_token(std::string_view token) {
  const Digest256 digest = sha256(token);
  const std::uint64_t generation = revocations.generation();
  auto verified = remembered.find(digest, generation);
  if (!verified) {
    TRY(verified, verify(token, digest, generation));
    remembered.put(digest, *verified);
  }
  if (has_expired(*verified)) return unauthenticated("TokenExpired", "the token has expired");
  return std::move(verified->caller);
}

Result<Verified> Authenticator::Impl::verify(std::string_view token, const Digest256& digest,
                                             std::uint64_t generation) {
  TRY(const TokenParts parts, split_token(token));
  TRY_VOID(check_signature(parts));
  TRY(TokenClaims claims, read_claims(parts.payload));
  TRY_VOID(check_times(claims));
  TRY_VOID(check_parties(claims));
  const std::string hex = to_hex(digest);
  if (revocations.revoked({hex, claims.id, claims.subject, parts.kid, claims.issued_at}))
    return unauthenticated("TokenRevoked", "the token, its key or its subject was revoked");
  return Verified{{std::move(claims.subject), claims.ispb, claims.roles, std::move(claims.accounts)},
                  claims.expires_at,
                  generation};
}

// The algorithm decides which kind of key is asked at all: a public key never serves as an HMAC secret.
Result<void> Authenticator::Impl::check_signature(const TokenParts& parts) const {
  bool holds = false;
  if (parts.algorithm == TokenAlgorithm::hs256) {
    holds = options.hs256_secret && hs256_holds(*options.hs256_secret, parts.signing_input, parts.signature);
  } else {
    const std::shared_ptr<const KeySet> set = *keys.lock();
    holds = set && set->holds(parts);
  }
  if (holds) return {};
  return unauthenticated("TokenInvalid", "the token's signature does not hold, or its key is not known here");
}

Result<void> Authenticator::Impl::check_times(const TokenClaims& claims) const {
  const UtcTime now = clock.now();
  if (now >= claims.expires_at + options.leeway) return unauthenticated("TokenExpired", "the token has expired");
  if (claims.not_before && now + options.leeway < *claims.not_before)
    return unauthenticated("TokenNotYetValid", "the token does not hold yet (`nbf`)");
  return {};
}

Result<void> Authenticator::Impl::check_parties(const TokenClaims& claims) const {
  if (!options.issuer.empty() && claims.issuer != options.issuer)
    return unauthenticated("TokenInvalid", "the token is of another issuer");
  if (!options.audience.empty() &&
      std::find(claims.audiences.begin(), claims.audiences.end(), options.audience) == claims.audiences.end())
    return unauthenticated("TokenInvalid", "the token is meant for another audience");
  if (!serves(claims.ispb)) return fail(Code::forbidden, "Forbidden", "the token's participant is not served here");
  return {};
}

Result<directory::Caller> Authenticator::Impl::by_api_key(const Credentials& credentials) const {
  const Digest256 given = sha256(credentials.api_key);
  const ApiKey* found = nullptr;
  for (const ApiKey& key : api_keys)  // all of them, so that the time tells nothing
    if (constant_time_equal(key.hash, given)) found = &key;
  if (!found) return unauthenticated("ApiKeyInvalid", "the API key is not known");
  if (revocations.api_key_revoked(found->name)) return unauthenticated("ApiKeyInvalid", "the API key was revoked");
  directory::Caller caller{"api-key:" + found->name, options.served.front(), found->roles, std::nullopt};
  if (!credentials.requesting_participant.empty()) {
    const auto ispb = directory::Ispb::parse(credentials.requesting_participant);
    if (!ispb || !serves(*ispb))
      return fail(Code::forbidden, "Forbidden", "`pi-requesting-participant` is not a participant that is served here");
    caller.ispb = *ispb;
  }
  return caller;
}

Result<std::string> issue_token(const TokenRequest& request, const Secret& hs256_secret, UtcTime now) {
  if (request.subject.empty() || request.subject.size() > 255) return fail_field("subject", "must be 1 to 255 bytes");
  if (request.roles.empty()) return fail_field("roles", "at least one of user, operator, auditor, admin");
  if (request.lifetime <= Micros::zero()) return fail_field("lifetime", "must be positive");
  TokenClaims claims;
  claims.subject = request.subject;
  claims.ispb = request.ispb;
  claims.roles = request.roles;
  claims.accounts = request.accounts;
  claims.issuer = request.issuer;
  if (!request.audience.empty()) claims.audiences.push_back(request.audience);
  claims.id = to_string(uuid_v4());
  claims.issued_at = now;
  claims.expires_at = now + request.lifetime;
  return write_hs256_token(claims, hs256_secret);
}

}  // namespace chaveiro::api
