#include "api/jwt.h"

#include <boost/json.hpp>
#include <cmath>

#include "base/hash.h"
#include "base/text.h"

namespace chaveiro::api {
namespace {

namespace json = boost::json;

constexpr std::size_t token_bytes_max = 8 * 1024;
constexpr std::size_t accounts_max = 1'000;

Error token_invalid(std::string message) { return fail(Code::unauthenticated, "TokenInvalid", std::move(message)); }

Result<json::object> read_object(std::string_view text, std::string_view what) {
  json::parse_options options;
  options.max_depth = 8;
  boost::system::error_code error;
  json::value value = json::parse(text, error, json::storage_ptr(), options);
  if (error || !value.is_object() || !valid_utf8(text))
    return token_invalid("the " + std::string(what) + " of the token is not a JSON object");
  return std::move(value.get_object());
}

// "" where the claim is absent.
Result<std::string> text_claim(const json::object& claims, std::string_view name) {
  const json::value* value = claims.if_contains(name);
  if (!value) return std::string();
  if (!value->is_string()) return token_invalid("`" + std::string(name) + "` of the token is not a text");
  return std::string(value->get_string());
}

// NumericDate: seconds, whole or not, of the years 1970 to 9999.
Result<std::optional<UtcTime>> time_claim(const json::object& claims, std::string_view name) {
  const json::value* value = claims.if_contains(name);
  if (!value) return std::optional<UtcTime>();
  double seconds = -1;
  if (value->is_int64()) seconds = static_cast<double>(value->get_int64());
  if (value->is_uint64()) seconds = static_cast<double>(value->get_uint64());
  if (value->is_double()) seconds = value->get_double();
  if (!(seconds >= 0 && seconds <= 253'402'300'799.0))
    return token_invalid("`" + std::string(name) + "` of the token is not a moment");
  return std::optional(UtcTime{Micros{static_cast<std::int64_t>(std::floor(seconds * 1e6))}});
}

Result<std::vector<std::string>> audience_claim(const json::object& claims) {
  std::vector<std::string> audiences;
  const json::value* value = claims.if_contains("aud");
  if (!value) return audiences;
  if (value->is_string()) return std::vector<std::string>{std::string(value->get_string())};
  if (!value->is_array()) return token_invalid("`aud` of the token is neither a text nor a list of texts");
  for (const json::value& item : value->get_array()) {
    if (!item.is_string()) return token_invalid("`aud` of the token holds something that is no text");
    audiences.emplace_back(item.get_string());
  }
  return audiences;
}

Result<directory::Roles> roles_claim(const json::object& claims) {
  directory::Roles roles;
  const json::value* value = claims.if_contains("roles");
  if (value && !value->is_array()) return token_invalid("`roles` of the token is not a list");
  if (value) {
    for (const json::value& item : value->get_array()) {
      if (!item.is_string()) return token_invalid("`roles` of the token holds something that is no text");
      // Roles of other services may stand beside ours.
      if (const auto role = directory::role_of(std::string_view(item.get_string()))) roles.add(*role);
    }
  }
  if (roles.empty()) return token_invalid("the token has no role of this service (user, operator, auditor, admin)");
  return roles;
}

Result<std::optional<std::vector<directory::AccountId>>> accounts_claim(const json::object& claims) {
  const json::value* value = claims.if_contains("accounts");
  if (!value) return std::optional<std::vector<directory::AccountId>>();
  if (!value->is_array() || value->get_array().size() > accounts_max)
    return token_invalid("`accounts` of the token is not a list of at most 1,000 account ids");
  std::vector<directory::AccountId> accounts;
  for (const json::value& item : value->get_array()) {
    const auto id = item.is_string() ? directory::AccountId::parse(std::string_view(item.get_string()))
                                     : Result<directory::AccountId>(token_invalid(""));
    if (!id) return token_invalid("`accounts` of the token holds something that is no account id");
    accounts.push_back(*id);
  }
  return std::optional(std::move(accounts));
}

}  // namespace

std::string_view to_string(TokenAlgorithm algorithm) {
  switch (algorithm) {
    case TokenAlgorithm::rs256:
      return "RS256";
    case TokenAlgorithm::es256:
      return "ES256";
    case TokenAlgorithm::hs256:
      break;
  }
  return "HS256";
}

Result<TokenParts> split_token(std::string_view token) {
  if (token.size() > token_bytes_max) return token_invalid("the token is longer than 8 KiB");
  const std::size_t first = token.find('.');
  const std::size_t second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos)
    return token_invalid("the token has not the three parts of a JWT");
  const auto header_text = parse_base64url(token.substr(0, first));
  auto payload = parse_base64url(token.substr(first + 1, second - first - 1));
  auto signature = parse_base64url(token.substr(second + 1));
  if (!header_text || !payload || !signature) return token_invalid("a part of the token is not base64url");

  TRY(const json::object header, read_object(*header_text, "header"));
  if (header.contains("crit")) return token_invalid("the token asks for extensions (`crit`) that are not known here");
  TokenParts parts;
  TRY(const std::string algorithm, text_claim(header, "alg"));
  if (algorithm == "RS256")
    parts.algorithm = TokenAlgorithm::rs256;
  else if (algorithm == "ES256")
    parts.algorithm = TokenAlgorithm::es256;
  else if (algorithm == "HS256")
    parts.algorithm = TokenAlgorithm::hs256;
  else
    return token_invalid("the token's algorithm is none of RS256, ES256, HS256");
  TRY(parts.kid, text_claim(header, "kid"));
  parts.signing_input = token.substr(0, second);
  parts.signature = std::move(*signature);
  parts.payload = std::move(*payload);
  return parts;
}

Result<TokenClaims> read_claims(std::string_view payload) {
  TRY(const json::object object, read_object(payload, "payload"));
  TokenClaims claims;
  TRY(claims.subject, text_claim(object, "sub"));
  if (claims.subject.empty() || claims.subject.size() > 255)
    return token_invalid("`sub` of the token is missing, or longer than 255 bytes");
  TRY(const std::string ispb, text_claim(object, "ispb"));
  const auto parsed_ispb = directory::Ispb::parse(ispb);
  if (!parsed_ispb) return token_invalid("`ispb` of the token is missing, or not eight letters or digits");
  claims.ispb = *parsed_ispb;
  TRY(claims.roles, roles_claim(object));
  TRY(claims.accounts, accounts_claim(object));
  TRY(claims.issuer, text_claim(object, "iss"));
  TRY(claims.audiences, audience_claim(object));
  TRY(claims.id, text_claim(object, "jti"));
  TRY(const auto expires_at, time_claim(object, "exp"));
  if (!expires_at) return token_invalid("the token never expires (`exp` is missing), which is not allowed");
  claims.expires_at = *expires_at;
  TRY(claims.not_before, time_claim(object, "nbf"));
  TRY(const auto issued_at, time_claim(object, "iat"));
  claims.issued_at = issued_at.value_or(UtcTime{});
  return claims;
}

bool hs256_holds(const Secret& secret, std::string_view signing_input, std::string_view signature) {
  const Digest256 mac = hmac_sha256(secret.expose(), signing_input);
  return constant_time_equal(as_text(mac), signature);
}

std::string write_hs256_token(const TokenClaims& claims, const Secret& secret) {
  const auto seconds = [](UtcTime time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  };
  json::object payload{{"sub", claims.subject},
                       {"ispb", to_string(claims.ispb)},
                       {"exp", seconds(claims.expires_at)},
                       {"iat", seconds(claims.issued_at)}};
  json::array roles;
  for (const auto role :
       {directory::Role::user, directory::Role::operator_, directory::Role::auditor, directory::Role::admin})
    if (claims.roles.has(role)) roles.emplace_back(directory::to_string(role));
  payload["roles"] = std::move(roles);
  if (claims.accounts) {
    json::array accounts;
    for (const auto& id : *claims.accounts) accounts.emplace_back(to_string(id));
    payload["accounts"] = std::move(accounts);
  }
  if (!claims.issuer.empty()) payload["iss"] = claims.issuer;
  if (claims.audiences.size() == 1) payload["aud"] = claims.audiences.front();
  if (claims.audiences.size() > 1) payload["aud"] = json::array(claims.audiences.begin(), claims.audiences.end());
  if (!claims.id.empty()) payload["jti"] = claims.id;
  if (claims.not_before) payload["nbf"] = seconds(*claims.not_before);

  std::string token = to_base64url(as_bytes(R"({"alg":"HS256","typ":"JWT"})"));
  token += '.';
  token += to_base64url(as_bytes(json::serialize(payload)));
  const Digest256 mac = hmac_sha256(secret.expose(), token);
  token += '.';
  token += to_base64url(mac);
  return token;
}

}  // namespace chaveiro::api
