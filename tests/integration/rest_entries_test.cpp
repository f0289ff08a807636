// Entries and accounts through the wire.
#include "tests/rest/edge.h"

namespace chaveiro::rest_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class RestEntries : public RestTest {
 protected:
  const std::string account = make_account("0007654321").field("id");
  const std::string entry = make_entry("PHONE", "+5511987654321", account).field("id");
};

TEST_F(RestEntries, an_account_is_made_read_listed_verified_and_closed) {
  const Reply made = make_account("0000000007", "11144477735");
  ASSERT_EQ(made.status, 201) << made.text;
  const std::string id = made.field("id");
  EXPECT_EQ(make_account("0000000007", "11144477735").field("id"), id);
  EXPECT_EQ(make_account("0000000007", "12345678909").reason(), "AccountExists");
  EXPECT_EQ(get("/api/v1/accounts/" + id).text, made.text);
  EXPECT_EQ(get("/api/v1/accounts").items("accounts"), 2u);
  EXPECT_EQ(post("/api/v1/accounts/by-holder", R"({"holder_tax_id":"111.444.777-35"})").items("accounts"), 1u);
  const Reply verified = post("/api/v1/accounts/" + id + "/verify", R"({"holder_tax_id":"11144477735"})");
  EXPECT_EQ(verified.text, R"({"exists":true,"open":true,"holder_matches":true})");
  EXPECT_EQ(post("/api/v1/accounts/" + id + "/close", "").field("status"), "CLOSED");
  EXPECT_EQ(post("/api/v1/accounts/" + account + "/close", "").reason(), "AccountHasEntries");
}

TEST_F(RestEntries, faults_of_an_account_are_told_together_and_by_the_names_of_the_body) {
  const Reply reply = post("/api/v1/accounts",
                           R"({"branch":"12345","number":"x","type":"CURRENT","opening_date":"2020-02-30T00:00:00Z",)"
                           R"("owner":{"type":"PERSON","tax_id":"1","name":"Maria"},"colour":"red"})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.faulty(), ElementsAre("branch", "colour", "type", "opening_date", "owner.type", "number"));
  const Reply deeper =
      post("/api/v1/accounts", R"({"branch":"12a","number":"x","type":"CACC","opening_date":"2020-02-20T00:00:00Z",)"
                               R"("owner":{"type":"NATURAL_PERSON","tax_id":"12345678900","name":"Maria 7"}})");
  EXPECT_THAT(deeper.faulty(), ElementsAre("branch", "number", "owner.tax_id", "owner.name"));
}

TEST_F(RestEntries, an_entry_is_made_read_changed_and_deleted) {
  const Reply read = get("/api/v1/entries/" + entry);
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.field("key"), "+5511987654321");
  EXPECT_EQ(read.field("creation_date"), to_rfc3339(clock.now()));
  EXPECT_EQ(post("/api/v1/entries/by-key", R"({"key_type":"PHONE","key":"+55 (11) 98765-4321"})").text, read.text);
  const Reply renamed = call({.method = Method::patch,
                              .path = "/api/v1/entries/" + entry,
                              .body = R"({"owner":{"name":"Maria Souza Silva"}})",
                              .token = operator_token()});
  EXPECT_EQ(*renamed.json.find("owner")->find("name")->text(), "Maria Souza Silva");
  const Reply gone = post("/api/v1/entries/" + entry + "/delete", R"({"reason":"ACCOUNT_CLOSURE"})");
  EXPECT_EQ(gone.field("status"), "DELETED");
  EXPECT_EQ(gone.field("delete_reason"), "ACCOUNT_CLOSURE");
  EXPECT_EQ(post("/api/v1/entries/" + entry + "/delete", "").status, 404);
}

TEST_F(RestEntries, a_legal_person_loses_its_trade_name_by_null) {
  const std::string firm = make_account("0000000008", "11222333000181").field("id");
  const std::string id = make_entry("CNPJ", "11.222.333/0001-81", firm).field("id");
  const auto patch = [&](const std::string& body) {
    return call({.method = Method::patch, .path = "/api/v1/entries/" + id, .body = body, .token = operator_token()});
  };
  EXPECT_EQ(*patch(R"({"owner":{"trade_name":"Padaria"}})").json.find("owner")->find("trade_name")->text(), "Padaria");
  EXPECT_TRUE(patch(R"({"owner":{"trade_name":null}})").json.find("owner")->find("trade_name")->is_null());
  EXPECT_THAT(patch("{}").faulty(), ElementsAre("body"));
  EXPECT_THAT(patch(R"({"account_id":")" + account + "\"}").faulty(), ElementsAre("account_id"));
}

TEST_F(RestEntries, a_court_order_blocks_and_unblocks) {
  EXPECT_EQ(post("/api/v1/entries/" + entry + "/block", R"({"order":"1234-56"})").field("status"), "BLOCKED");
  EXPECT_EQ(post("/api/v1/lookups", R"({"key_type":"PHONE","key":"+5511987654321"})").reason(), "EntryBlocked");
  EXPECT_EQ(post("/api/v1/entries/" + entry + "/delete", "").reason(), "EntryBlocked");
  EXPECT_EQ(post("/api/v1/entries/" + entry + "/unblock", R"({"order":"1234-57"})").field("status"), "ACTIVE");
  EXPECT_THAT(post("/api/v1/entries/" + entry + "/block", "{}").faulty(), ElementsAre("order"));
}

TEST_F(RestEntries, an_evp_is_made_by_the_directory) {
  const Reply made = post("/api/v1/entries", R"({"key_type":"EVP","account_id":")" + account + "\"}");
  EXPECT_EQ(made.status, 201);
  EXPECT_TRUE(Uuid::parse(made.field("key")));
  EXPECT_THAT(make_entry("EVP", made.field("key"), account).faulty(), ElementsAre("key"));
  EXPECT_THAT(post("/api/v1/entries", R"({"key_type":"PHONE","account_id":")" + account + "\"}").faulty(),
              ElementsAre("key"));
}

TEST_F(RestEntries, a_key_exists_once_and_an_account_has_five) {
  EXPECT_EQ(make_entry("PHONE", "+5511987654321", account).reason(), "EntryAlreadyExists");
  const std::string other = make_account("0000000009", "11144477735").field("id");
  EXPECT_EQ(make_entry("PHONE", "+5511987654321", other).reason(), "EntryKeyOwnedByDifferentPerson");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(make_entry("EMAIL", "a" + std::to_string(i) + "@b.com", account).status, 201);
  const Reply sixth = make_entry("EMAIL", "a9@b.com", account);
  EXPECT_EQ(sixth.reason(), "EntryLimitExceeded");
  EXPECT_GE(sixth.status, 400);
}

TEST_F(RestEntries, a_key_moves_to_another_account_in_two_steps) {
  const std::string target = make_account("0000000010").field("id");
  const Reply started = post("/api/v1/entries/" + entry + "/portability", R"({"new_account_id":")" + target + "\"}");
  ASSERT_EQ(started.status, 200) << started.text;
  const std::string step = R"({"portability_id":")" + started.field("id") + "\"}";
  const Reply confirmed = post("/api/v1/portabilities/confirm", step);
  EXPECT_EQ(*confirmed.json.find("entry")->find("account")->find("id")->text(), target);
  EXPECT_EQ(post("/api/v1/portabilities/cancel", step).reason(), "PortabilityStale");
  EXPECT_EQ(post("/api/v1/portabilities/confirm", R"({"portability_id":"AAAA"})").status, 400);
}

class RestIdempotency : public RestEntries {
 protected:
  Reply create(const std::string& key, const std::string& body_extra,
               std::vector<std::pair<std::string, std::string>> headers) {
    return call(
        {.method = Method::post,
         .path = "/api/v1/entries",
         .body = R"({"key_type":"EMAIL","key":")" + key + R"(","account_id":")" + account + "\"" + body_extra + "}",
         .token = operator_token(),
         .headers = std::move(headers)});
  }
  const std::string uuid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
};

TEST_F(RestIdempotency, the_same_key_gives_the_first_answer_again) {
  for (const std::string& key : {uuid, std::string("order 4711")}) {
    const std::string email = key.substr(0, 4) + "@b.com";
    const std::string address = email == "orde@b.com" ? email : "x" + email;
    const Reply first = create(address, "", {{"Idempotency-Key", key}});
    ASSERT_EQ(first.status, 201) << first.text;
    const Reply again = create(address, "", {{"Idempotency-Key", key}});
    EXPECT_EQ(again.status, 201);
    EXPECT_EQ(again.text, first.text);
  }
  EXPECT_EQ(get("/api/v1/entries").items("entries"), 3u);
}

TEST_F(RestIdempotency, a_uuid_is_the_request_id_and_other_text_becomes_one_of_version_4) {
  EXPECT_EQ(create("a@b.com", "", {{"Idempotency-Key", uuid}}).field("request_id"), uuid);
  const std::string made = create("c@b.com", "", {{"Idempotency-Key", "order-4711"}}).field("request_id");
  EXPECT_EQ(Uuid::parse(made)->version(), 4);
  EXPECT_EQ(create("d@b.com", "", {{"X-Request-Id", "0b7a7c9e-5a2f-4f6b-8a3d-2f1c4e5d6a7b"}}).field("request_id"),
            "0b7a7c9e-5a2f-4f6b-8a3d-2f1c4e5d6a7b");
}

TEST_F(RestIdempotency, another_body_under_the_same_key_is_refused) {
  ASSERT_EQ(create("a@b.com", "", {{"Idempotency-Key", "k1"}}).status, 201);
  EXPECT_EQ(create("c@b.com", "", {{"Idempotency-Key", "k1"}}).reason(), "RequestIdAlreadyUsed");
}

TEST_F(RestIdempotency, header_and_body_may_not_differ) {
  const std::string in_body = R"(,"request_id":")" + uuid + "\"";
  EXPECT_THAT(create("a@b.com", in_body, {{"Idempotency-Key", "order-4711"}}).faulty(), ElementsAre("Idempotency-Key"));
  EXPECT_EQ(create("a@b.com", in_body, {{"Idempotency-Key", uuid}}).status, 201);
  EXPECT_THAT(create("b@b.com", R"(,"request_id":"12")", {}).faulty(), ElementsAre("request_id"));
  EXPECT_THAT(create("b@b.com", "", {{"Idempotency-Key", std::string(300, 'k')}}).faulty(),
              ElementsAre("Idempotency-Key"));
}

class RestPages : public RestEntries {
 protected:
  RestPages() {
    for (int i = 0; i < 4; ++i) {
      clock.advance(1s);
      make_entry("EMAIL", "a" + std::to_string(i) + "@b.com", account);
    }
  }
  std::string token_of(const Reply& page) { return page.field("next_page_token"); }
};

TEST_F(RestPages, lead_through_the_whole_list_once) {
  std::vector<std::string> keys;
  std::string path = "/api/v1/entries?page_size=2";
  for (int pages = 1;; ++pages) {
    const Reply page = get(path);
    ASSERT_EQ(page.status, 200) << page.text;
    EXPECT_EQ(*page.json.find("total_count")->integer(), 5);
    for (const Json& item : *page.json.find("entries")->list()) keys.push_back(*item.find("key")->text());
    if (token_of(page).empty()) {
      EXPECT_EQ(pages, 3);
      break;
    }
    path = "/api/v1/entries?page_size=2&page_token=" + token_of(page);
  }
  EXPECT_THAT(keys, ElementsAre("+5511987654321", "a0@b.com", "a1@b.com", "a2@b.com", "a3@b.com"));
}

TEST_F(RestPages, filters_are_kept) {
  EXPECT_EQ(get("/api/v1/entries?key_type=EMAIL").items("entries"), 4u);
  EXPECT_EQ(get("/api/v1/entries?status=BLOCKED").items("entries"), 0u);
  EXPECT_EQ(get("/api/v1/entries?account_id=" + account).items("entries"), 5u);
  EXPECT_THAT(get("/api/v1/entries?key_type=MAIL&status=GONE").faulty(), ElementsAre("key_type", "status"));
}

TEST_F(RestPages, a_token_that_is_forged_cut_expired_or_of_another_list_is_refused) {
  const std::string token = token_of(get("/api/v1/entries?page_size=2"));
  ASSERT_FALSE(token.empty());
  std::string forged = token;
  forged[forged.size() / 2] = forged[forged.size() / 2] == 'A' ? 'B' : 'A';
  for (const std::string& bad :
       {forged, token.substr(0, token.size() - 3), token + "AAAA", std::string("x"), std::string("%00")}) {
    const Reply reply = get("/api/v1/entries?page_size=2&page_token=" + bad);
    EXPECT_EQ(reply.status, 400) << bad;
    if (bad != "%00") {
      EXPECT_THAT(reply.faulty(), ElementsAre("page_token")) << bad;
    }
  }
  EXPECT_EQ(get("/api/v1/entries?page_size=2&key_type=EMAIL&page_token=" + token).reason(), "PageTokenInvalid");
  EXPECT_EQ(get("/api/v1/accounts?page_token=" + token).reason(), "PageTokenInvalid");
  EXPECT_EQ(get("/api/v1/entries?page_size=2&page_token=" + token, this->token({Role::operator_}, second)).reason(),
            "PageTokenInvalid");
  clock.advance(25h);
  EXPECT_EQ(get("/api/v1/entries?page_size=2&page_token=" + token).reason(), "PageTokenExpired");
}

TEST_F(RestPages, an_endless_page_is_refused) {
  for (const std::string size : {"0", "-1", "201", "1000000000", "99999999999999999999999", "1e3", "", "ten"})
    EXPECT_THAT(get("/api/v1/entries?page_size=" + size).faulty(), ElementsAre("page_size")) << size;
  EXPECT_EQ(get("/api/v1/entries?page_size=200").status, 200);
}

}  // namespace
}  // namespace chaveiro::rest_test
