#include "api/auth.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "api/jwks.h"
#include "api/jwt.h"
#include "api/token_test_keys.h"

namespace chaveiro::api {
namespace {

using namespace std::chrono_literals;
using directory::Role;
using directory::Roles;

directory::Ispb ispb(std::string_view text) { return directory::Ispb::parse(text).value(); }

const Secret secret("0123456789abcdef0123456789abcdef");

// A folder of this test's own, removed at its end.
struct Folder {
  Folder() {
    char name[] = "/tmp/auth_test.XXXXXX";
    CHECK(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { CHECK(std::system(("rm -rf " + path).c_str()) == 0); }
  std::string path;
};

struct Auth : testing::Test {
  Folder folder;
  ManualClock clock;
  std::unique_ptr<Revocations> revocations = Revocations::open(folder.path + "/revocations", clock).value();
  std::unique_ptr<Authenticator> authenticator;

  AuthOptions options() {
    AuthOptions options;
    options.hs256_secret = secret;
    options.served = {ispb("12345678"), ispb("87654321")};
    return options;
  }
  void start(AuthOptions with) {
    authenticator = std::make_unique<Authenticator>(std::move(with), clock, *revocations);
    ASSERT_TRUE(authenticator->reload());
  }
  std::string jwks(std::string_view text) {
    const std::string file = folder.path + "/jwks.json";
    std::ofstream(file) << text;
    return file;
  }
  TokenRequest request() { return {"joana", ispb("12345678"), Roles{Role::operator_}, {}, "", "", 1h}; }
  std::string token() { return issue_token(request(), secret, clock.now()).value(); }
  TokenClaims claims() {
    TokenClaims claims;
    claims.subject = "joana";
    claims.ispb = ispb("12345678");
    claims.roles = {Role::user};
    claims.expires_at = clock.now() + 1h;
    claims.issued_at = clock.now();
    return claims;
  }
  Result<directory::Caller> ask(const std::string& its_token) {
    const std::string header = "Bearer " + its_token;
    return authenticator->authenticate({.authorization = header});
  }
  std::string refusal(const std::string& its_token) {
    const auto answer = ask(its_token);
    return answer ? "" : answer.error().reason;
  }
};

TEST_F(Auth, a_token_of_ours_names_its_caller) {
  start(options());
  TokenRequest wanted = request();
  wanted.roles = {Role::user, Role::auditor};
  const auto account = directory::AccountId::parse("0190a5b0-7c3e-7000-8000-0123456789ab").value();
  wanted.accounts = {{account}};
  const auto caller = ask(issue_token(wanted, secret, clock.now()).value());
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->subject, "joana");
  EXPECT_EQ(caller->ispb, ispb("12345678"));
  EXPECT_EQ(caller->roles, (Roles{Role::user, Role::auditor}));
  ASSERT_TRUE(caller->accounts);
  EXPECT_EQ(caller->accounts->at(0), account);
}

TEST_F(Auth, a_token_ends_also_when_it_is_remembered) {
  start(options());
  const std::string good = token();
  EXPECT_EQ(refusal(good), "");
  clock.advance(1h + 29s);
  EXPECT_EQ(refusal(good), "");
  clock.advance(1s);
  EXPECT_EQ(refusal(good), "TokenExpired");
}

TEST_F(Auth, a_token_that_does_not_hold_yet_is_refused) {
  start(options());
  TokenClaims later = claims();
  later.not_before = clock.now() + 31s;
  const std::string early = write_hs256_token(later, secret);
  EXPECT_EQ(refusal(early), "TokenNotYetValid");
  clock.advance(1s);
  EXPECT_EQ(refusal(early), "");
}

TEST_F(Auth, every_changed_character_breaks_the_token) {
  start(options());
  const std::string good = token();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string forged = good;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(refusal(forged), "TokenInvalid") << i;
    EXPECT_EQ(refusal(good.substr(0, i)), "TokenInvalid") << i;
  }
}

TEST_F(Auth, alg_none_is_refused) {
  start(options());
  const std::string good = token();
  const std::string payload = good.substr(good.find('.'), good.rfind('.') - good.find('.') + 1);
  for (const std::string_view header : {R"({"alg":"none"})", R"({"alg":"None"})", R"({})", R"({"alg":"HS512"})"})
    EXPECT_EQ(refusal(to_base64url(as_bytes(header)) + payload), "TokenInvalid") << header;
}

TEST_F(Auth, a_public_key_does_not_serve_as_hmac_secret) {
  AuthOptions both = options();
  both.hs256_secret.reset();
  both.jwks_file = jwks(test_jwks);
  start(both);
  for (const std::string_view public_key : {test_rsa_public_pem, test_jwks, test_rsa_n})
    EXPECT_EQ(refusal(write_hs256_token(claims(), Secret(public_key))), "TokenInvalid");
}

TEST_F(Auth, rs256_and_es256_are_checked_against_the_key_set) {
  AuthOptions by_keys = options();
  by_keys.jwks_file = jwks(test_jwks);
  start(by_keys);
  for (const bool rsa : {true, false}) {
    const std::string good = rsa ? rs256_test_token(claims(), "rsa-1") : es256_test_token(claims(), "ec-1");
    EXPECT_EQ(refusal(good), "");
    // Of the other key's kid, of an unknown one, and without kid (each algorithm has one key: the choice is clear).
    const auto with_kid = [&](std::string_view kid) {
      return rsa ? rs256_test_token(claims(), kid) : es256_test_token(claims(), kid);
    };
    EXPECT_EQ(refusal(with_kid(rsa ? "ec-1" : "rsa-1")), "TokenInvalid");
    EXPECT_EQ(refusal(with_kid("other")), "TokenInvalid");
    EXPECT_EQ(refusal(with_kid("")), "");
    std::string changed = good;
    changed[good.find('.') + 8] ^= 1;
    EXPECT_EQ(refusal(changed), "TokenInvalid");
  }
}

TEST_F(Auth, a_reload_forgets_tokens_of_keys_that_are_gone_and_a_faulty_file_changes_nothing) {
  AuthOptions by_keys = options();
  by_keys.jwks_file = jwks(test_jwks);
  start(by_keys);
  const std::string good = rs256_test_token(claims(), "rsa-1");
  EXPECT_EQ(refusal(good), "");
  jwks("{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"short\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}");
  const auto failed = authenticator->reload();
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("short"), std::string::npos);
  EXPECT_EQ(refusal(good), "");
  jwks(test_jwks_ec_only);
  ASSERT_TRUE(authenticator->reload());
  EXPECT_EQ(refusal(good), "TokenInvalid");
}

TEST_F(Auth, issuer_and_audience_are_compared_where_configured) {
  AuthOptions strict = options();
  strict.issuer = "https://login.example";
  strict.audience = "chaveiro";
  start(strict);
  TokenClaims right = claims();
  right.issuer = strict.issuer;
  right.audiences = {"other", "chaveiro"};
  EXPECT_EQ(refusal(write_hs256_token(right, secret)), "");
  TokenClaims wrong = right;
  wrong.issuer = "https://login.example/";
  EXPECT_EQ(refusal(write_hs256_token(wrong, secret)), "TokenInvalid");
  wrong = right;
  wrong.audiences = {"other"};
  EXPECT_EQ(refusal(write_hs256_token(wrong, secret)), "TokenInvalid");
  EXPECT_EQ(refusal(token()), "TokenInvalid");
}

TEST_F(Auth, claims_of_wrong_types_are_refused) {
  start(options());
  const auto with_payload = [&](std::string_view payload) {
    const std::string input = to_base64url(as_bytes(R"({"alg":"HS256"})")) + "." + to_base64url(as_bytes(payload));
    return input + "." + to_base64url(hmac_sha256(secret.expose(), input));
  };
  const std::string end = std::to_string((clock.now() + 1h).time_since_epoch() / 1s);
  EXPECT_EQ(refusal(with_payload(R"({"sub":"a","ispb":"12345678","roles":["user"],"exp":)" + end + "}")), "");
  for (const std::string& payload : {
           R"({"sub":"a","ispb":"12345678","roles":["user"]})" + std::string(),
           R"({"sub":"a","ispb":"12345678","roles":["user"],"exp":")" + end + "\"}",
           R"({"sub":"a","ispb":"12345678","roles":["user"],"exp":-1})" + std::string(),
           R"({"sub":"a","ispb":"12345678","roles":["user"],"exp":1e300})" + std::string(),
           R"({"sub":"a","ispb":12345678,"roles":["user"],"exp":)" + end + "}",
           R"({"sub":"a","ispb":"1234567","roles":["user"],"exp":)" + end + "}",
           R"({"sub":"","ispb":"12345678","roles":["user"],"exp":)" + end + "}",
           R"({"sub":"a","ispb":"12345678","roles":"admin","exp":)" + end + "}",
           R"({"sub":"a","ispb":"12345678","roles":["boss"],"exp":)" + end + "}",
           R"({"sub":"a","ispb":"12345678","roles":["user"],"accounts":["x"],"exp":)" + end + "}",
           R"({"sub":"a","ispb":"12345678","roles":["user"],"nbf":"now","exp":)" + end + "}",
           std::string("[]"),
           std::string("{"),
       })
    EXPECT_EQ(refusal(with_payload(payload)), "TokenInvalid") << payload;
}

TEST_F(Auth, a_participant_that_is_not_served_may_not_enter) {
  start(options());
  TokenRequest foreign = request();
  foreign.ispb = ispb("11111111");
  EXPECT_EQ(refusal(issue_token(foreign, secret, clock.now()).value()), "Forbidden");
}

TEST_F(Auth, what_is_revoked_no_longer_passes_and_the_file_remembers) {
  start(options());
  const std::string first = token();
  const std::string second = token();
  EXPECT_EQ(refusal(first), "");
  const std::string id = read_claims(split_token(first)->payload)->id;
  ASSERT_TRUE(revocations->revoke({RevocationKind::token_id, id, clock.now(), {}, "admin"}));
  EXPECT_EQ(refusal(first), "TokenRevoked");
  EXPECT_EQ(refusal(second), "");
  ASSERT_TRUE(revocations->revoke({RevocationKind::token_hash, to_hex(sha256(second)), clock.now(), {}, "admin"}));
  EXPECT_EQ(refusal(second), "TokenRevoked");
  const std::string third = token();
  clock.advance(1s);
  ASSERT_TRUE(revocations->revoke({RevocationKind::subject, "joana", clock.now(), {}, "admin"}));
  EXPECT_EQ(refusal(third), "TokenRevoked");
  EXPECT_EQ(refusal(token()), "");  // issued after the revocation

  revocations = Revocations::open(folder.path + "/revocations", clock).value();
  start(options());
  EXPECT_EQ(refusal(first), "TokenRevoked");
  EXPECT_EQ(refusal(second), "TokenRevoked");
  EXPECT_EQ(refusal(third), "TokenRevoked");
  EXPECT_EQ(revocations->list().size(), 3u);
}

TEST_F(Auth, a_revoked_signing_key_closes_for_all_its_tokens) {
  AuthOptions by_keys = options();
  by_keys.jwks_file = jwks(test_jwks);
  start(by_keys);
  const std::string good = es256_test_token(claims(), "ec-1");
  EXPECT_EQ(refusal(good), "");
  ASSERT_TRUE(revocations->revoke({RevocationKind::signing_key, "ec-1", clock.now(), {}, "admin"}));
  EXPECT_EQ(refusal(good), "TokenRevoked");
  EXPECT_EQ(refusal(rs256_test_token(claims(), "rsa-1")), "");
}

TEST_F(Auth, revocations_go_when_the_token_is_dead_anyway) {
  ASSERT_TRUE(revocations->revoke({RevocationKind::token_id, "a", clock.now(), clock.now() + 1h, "admin"}));
  clock.advance(1h + 1s);
  revocations = Revocations::open(folder.path + "/revocations", clock).value();
  EXPECT_TRUE(revocations->list().empty());
}

TEST_F(Auth, a_torn_last_revocation_is_dropped_and_a_broken_one_stops_the_start) {
  ASSERT_TRUE(revocations->revoke({RevocationKind::token_id, "a", clock.now(), {}, "admin"}));
  const std::string file = folder.path + "/revocations";
  std::ofstream(file, std::ios::app) << R"({"kind":"jti","va)";
  revocations = Revocations::open(file, clock).value();
  EXPECT_EQ(revocations->list().size(), 1u);
  std::ofstream(file, std::ios::app) << "nonsense\n";
  const auto broken = Revocations::open(file, clock);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, Code::corrupt);
  EXPECT_NE(broken.error().message.find("line 2"), std::string::npos);
}

TEST_F(Auth, api_keys_are_known_by_their_hash_and_may_choose_a_served_participant) {
  AuthOptions with_keys = options();
  const std::string hash = "sha256:" + to_hex(sha256("second key"));
  with_keys.api_keys = {{"lb-connect", Secret("first key"), *api_key_roles("lb-connect")},
                        {"backoffice", Secret(hash), *api_key_roles("backoffice")}};
  start(with_keys);
  const auto first = authenticator->authenticate({.api_key = "first key"});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->subject, "api-key:lb-connect");
  EXPECT_EQ(first->roles, Roles{Role::operator_});
  EXPECT_EQ(first->ispb, ispb("12345678"));
  const auto second = authenticator->authenticate({.api_key = "second key", .requesting_participant = "87654321"});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->roles, (Roles{Role::operator_, Role::auditor}));
  EXPECT_EQ(second->ispb, ispb("87654321"));

  EXPECT_EQ(authenticator->authenticate({.api_key = "third key"}).error().reason, "ApiKeyInvalid");
  EXPECT_EQ(authenticator->authenticate({.api_key = hash}).error().reason, "ApiKeyInvalid");
  EXPECT_EQ(authenticator->authenticate({.api_key = "first key", .requesting_participant = "11111111"}).error().reason,
            "Forbidden");
  ASSERT_TRUE(revocations->revoke({RevocationKind::api_key, "lb-connect", clock.now(), {}, "admin"}));
  EXPECT_EQ(authenticator->authenticate({.api_key = "first key"}).error().reason, "ApiKeyInvalid");
}

TEST_F(Auth, nothing_or_two_things_are_refused) {
  start(options());
  EXPECT_EQ(authenticator->authenticate({}).error().reason, "Unauthenticated");
  EXPECT_EQ(authenticator->authenticate({.authorization = "Basic abc"}).error().reason, "Unauthenticated");
  EXPECT_EQ(authenticator->authenticate({.authorization = "Bearer a", .api_key = "b"}).error().reason,
            "Unauthenticated");
  EXPECT_EQ(refusal(""), "TokenInvalid");
  EXPECT_EQ(refusal(std::string(100'000, 'a')), "TokenInvalid");
}

TEST_F(Auth, remembers_no_more_tokens_than_it_may_and_all_still_pass) {
  AuthOptions few = options();
  few.remembered_max = 16;
  start(few);
  std::vector<std::string> tokens;
  for (int i = 0; i < 200; ++i) tokens.push_back(token());
  for (int round = 0; round < 2; ++round)
    for (const auto& each : tokens) EXPECT_EQ(refusal(each), "");
}

TEST_F(Auth, a_short_hmac_secret_is_refused_at_start) {
  AuthOptions weak = options();
  weak.hs256_secret = Secret("short");
  Authenticator refused(weak, clock, *revocations);
  EXPECT_EQ(refused.reload().error().reason, "SecretTooShort");
}

}  // namespace
}  // namespace chaveiro::api
