#include <map>

#include "tests/simulation/directory_world.h"

namespace chaveiro::directory {
namespace {

class ListLog final : public LookupLog {
 public:
  Result<void> append(const LookupRecord& record) override {
    if (full) return fail(Code::exhausted, "LookupLogFull", "the look-up log is full");
    records.push_back(record);
    return {};
  }
  std::vector<LookupRecord> records;
  bool full = false;
};

class MapMemory final : public EntryMemory {
 public:
  explicit MapMemory(Store& store) : store_(store) {}
  std::optional<Shared> peek(const Key& key, const Digest&) override {
    const auto found = known.find(key);
    if (found == known.end()) return std::nullopt;
    return found->second;
  }
  Result<Shared> get(const Key& key, const Digest&, Deadline deadline) override {
    TRY(const auto entry, store_.live_entry(key, deadline));
    return known[key] = entry ? std::make_shared<const Entry>(*entry) : nullptr;
  }
  Shared foreign(const Digest& hash) override { return kept.contains(hash) ? kept[hash] : nullptr; }
  void keep_foreign(const Digest& hash, Shared entry, std::string_view cache_control, std::chrono::seconds) override {
    if (!cache_control.empty()) kept[hash] = std::move(entry);
  }
  std::map<Key, Shared> known;
  std::map<Digest, Shared> kept;

 private:
  Store& store_;
};

struct LookupsTest : ::testing::Test, World {
  ListLog log;
  MapMemory memory{store};
  Lookups lookups{store, &memory, registry, log, clock, secret};
  Account ana = account(bank_a, natural(1));
  Account bakery = account(bank_a, legal(7));

  static LookupRequest of(unsigned phone) { return {*Key::parse(KeyType::phone, phone_of(phone), {}), {}, {}}; }
  static LookupRequest paying(unsigned phone) {
    LookupRequest request = of(phone);
    request.payer_id = cpf_of(9);
    request.end_to_end_id = "E1234567820260101000000000000001";
    return request;
  }
};

TEST_F(LookupsTest, a_foreign_answer_that_may_be_kept_costs_the_registry_one_call) {
  const Entry theirs = phone(bakery, 8);
  Entry foreign = theirs;
  foreign.key = *Key::parse(KeyType::phone, phone_of(9), {});
  registry.foreign = foreign;
  registry.cache_control = "max-age=60";
  const int before = registry.calls;
  EXPECT_EQ(lookups.lookup(staff(bank_b), paying(9)).value().source, LookupSource::registry);
  const auto kept = lookups.lookup(staff(bank_b), paying(9));
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->source, LookupSource::memory);
  EXPECT_EQ(*kept->entry, foreign);
  EXPECT_EQ(registry.calls, before + 1);
  EXPECT_EQ(log.records.size(), 2u) << "each look-up leaves its record, kept or not";
  EXPECT_REFUSED(lookups.lookup(staff(bank_b), of(9)), Code::invalid, "BadRequest");
}

TEST_F(LookupsTest, own_keys_are_answered_without_a_payer_to_every_participant_served) {
  const Entry made = phone(ana, 5);
  const auto answer = lookups.lookup(staff(bank_b), of(5));
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer->entry, made);
  EXPECT_EQ(answer->source, LookupSource::store);
  EXPECT_FALSE(answer->masked);
  ASSERT_EQ(log.records.size(), 1u);
  EXPECT_EQ(log.records[0].outcome, LookupOutcome::found);
  EXPECT_EQ(log.records[0].entry, made.id);
  EXPECT_EQ(log.records[0].ispb, bank_b);
  EXPECT_EQ(log.records[0].key_hash, lookup_hash_of(HmacKey(secret.expose()), made.key));
  EXPECT_EQ(log.records[0].payer_hash, Digest{});
}

TEST_F(LookupsTest, memory_answers_at_once_and_leaves_its_record_too) {
  const Entry made = phone(ana, 5);
  EXPECT_EQ(lookups.cached(staff(bank_a), of(5)), std::nullopt);
  EXPECT_TRUE(log.records.empty());
  ASSERT_TRUE(lookups.lookup(staff(bank_a), of(5)));
  const auto answer = lookups.cached(staff(bank_a), of(5));
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ(*(*answer)->entry, made);
  EXPECT_EQ((*answer)->source, LookupSource::memory);
  EXPECT_EQ(log.records.size(), 2u);
}

TEST_F(LookupsTest, memory_never_answers_that_there_is_none_because_the_registry_may_know) {
  EXPECT_REFUSED(lookups.lookup(staff(bank_a), paying(6)), Code::not_found, "NotFound");
  EXPECT_EQ(lookups.cached(staff(bank_a), paying(6)), std::nullopt);
}

TEST_F(LookupsTest, works_without_any_memory) {
  Lookups plain(store, nullptr, registry, log, clock, secret);
  phone(ana, 5);
  EXPECT_EQ(plain.cached(staff(bank_a), of(5)), std::nullopt);
  EXPECT_TRUE(plain.lookup(staff(bank_a), of(5)));
}

TEST_F(LookupsTest, a_key_that_is_not_ours_needs_payer_and_payment) {
  const auto answer = lookups.lookup(staff(bank_a), of(6));
  EXPECT_REFUSED(answer, Code::invalid, "BadRequest");
  ASSERT_EQ(answer.error().violations.size(), 2u);
  EXPECT_EQ(answer.error().violations[0].field, "PI-PayerId");
  EXPECT_EQ(answer.error().violations[1].field, "PI-EndToEndId");
  EXPECT_EQ(registry.calls, 0);
  EXPECT_EQ(log.records.at(0).outcome, LookupOutcome::refused);
}

TEST_F(LookupsTest, a_malformed_payer_or_payment_is_refused_for_every_key) {
  phone(ana, 5);
  for (const char* payer : {"", "123", "1234567890a", "123456789012345"}) {
    LookupRequest request = paying(5);
    request.payer_id = payer;
    EXPECT_REFUSED(lookups.lookup(staff(bank_a), request), Code::invalid, "BadRequest");
  }
  for (const std::string& id : {std::string(), std::string(36, 'E'), std::string("E 1"), std::string("E\n1")}) {
    LookupRequest request = paying(5);
    request.end_to_end_id = id;
    EXPECT_REFUSED(lookups.lookup(staff(bank_a), request), Code::invalid, "BadRequest");
  }
}

TEST_F(LookupsTest, the_registry_is_asked_for_foreign_keys_with_payer_and_payment) {
  registry.foreign = Entry{.id = {}, .key = paying(6).key, .account = bakery, .status = EntryStatus::active};
  const auto answer = lookups.lookup(staff(bank_a), paying(6));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->source, LookupSource::registry);
  EXPECT_EQ(registry.asked->payer_id, cpf_of(9));
  EXPECT_EQ(registry.asked->requesting, bank_a);
  EXPECT_EQ(log.records.at(0).payer_hash, HmacKey(secret.expose()).sign(cpf_of(9)));
  EXPECT_EQ(log.records.at(0).end_to_end_id, "E1234567820260101000000000000001");
}

TEST_F(LookupsTest, not_found_leaves_its_record_too) {
  EXPECT_REFUSED(lookups.lookup(staff(bank_a), paying(6)), Code::not_found, "NotFound");
  EXPECT_EQ(log.records.at(0).outcome, LookupOutcome::not_found);
  EXPECT_EQ(log.records.at(0).entry, EntryId{});
}

TEST_F(LookupsTest, the_registrys_refusals_are_passed_on_and_recorded) {
  registry.refusal = fail(Code::exhausted, "RateLimited", "wait");
  EXPECT_REFUSED(lookups.lookup(staff(bank_a), paying(6)), Code::exhausted, "RateLimited");
  EXPECT_EQ(log.records.at(0).outcome, LookupOutcome::refused);
  registry.refusal = fail(Code::unavailable, "ServiceUnavailable", "away");
  EXPECT_REFUSED(lookups.lookup(staff(bank_a), paying(6)), Code::unavailable, "ServiceUnavailable");
  EXPECT_EQ(log.records.at(1).outcome, LookupOutcome::failed);
}

TEST_F(LookupsTest, a_blocked_entry_is_not_shown) {
  const Entry made = phone(ana, 5);
  ASSERT_TRUE(entries.block(staff(bank_a), made.id, "order"));
  EXPECT_REFUSED(lookups.lookup(staff(bank_a), of(5)), Code::conflict, "EntryBlocked");
  EXPECT_EQ(log.records.at(0).outcome, LookupOutcome::refused);
}

TEST_F(LookupsTest, a_pending_entry_is_not_registered_yet) {
  Entry pending = phone(ana, 5);
  pending.status = EntryStatus::pending;
  memory.known.emplace(pending.key, std::make_shared<const Entry>(pending));
  const auto answer = lookups.cached(staff(bank_a), of(5));
  ASSERT_TRUE(answer);
  EXPECT_REFUSED(*answer, Code::not_found, "NotFound");
}

TEST_F(LookupsTest, a_claim_is_seen_while_open_and_leaves_nothing_once_confirmed) {
  phone(ana, 5);
  const Claim opened = claim(account(bank_b, natural(2)), 5);
  EXPECT_EQ(lookups.lookup(staff(bank_a), of(5)).value().entry->open_claim->created_at, clock.now());
  ASSERT_TRUE(claims.acknowledge(staff(bank_a), opened.id));
  EXPECT_TRUE(lookups.lookup(staff(bank_a), of(5)));
  ASSERT_TRUE(claims.confirm(staff(bank_a), opened.id, Reason::user_requested));
  EXPECT_REFUSED(lookups.lookup(staff(bank_a), paying(5)), Code::not_found, "NotFound");
  ASSERT_TRUE(claims.complete(staff(bank_b), {opened.id, {}}));
  EXPECT_EQ(lookups.lookup(staff(bank_a), of(5)).value().entry->ispb(), bank_b);
}

TEST_F(LookupsTest, a_person_sees_what_the_manual_allows_and_no_more) {
  phone(ana, 5);
  const auto answer = lookups.lookup(as(Role::user, bank_b, {{ana.id}}), of(5));
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->masked);
  const Entry& shown = *answer->entry;
  EXPECT_EQ(shown.owner().name, "João Silva");
  EXPECT_EQ(shown.owner().tax_id, "***." + cpf_of(1).substr(3, 3) + "." + cpf_of(1).substr(6, 3) + "-**");
  EXPECT_EQ(shown.key.value(), phone_of(5));
  EXPECT_EQ(shown.ispb(), bank_a);
  EXPECT_EQ(shown, (Entry{.id = {},
                          .key = shown.key,
                          .account = Account{.ispb = bank_a, .holder = shown.owner()},
                          .status = EntryStatus::active}));
  EXPECT_NE(log.records.at(0).entry, EntryId{});  // the record knows which one it was
}

TEST_F(LookupsTest, a_cnpj_is_public_and_shown_whole) {
  phone(bakery, 5);
  const auto answer = lookups.lookup(as(Role::user, bank_a, {{ana.id}}), of(5)).value();
  EXPECT_EQ(answer.entry->owner(), bakery.holder);
}

TEST_F(LookupsTest, users_operators_and_admins_look_up_auditors_do_not) {
  phone(ana, 5);
  for (const Role role : {Role::user, Role::operator_, Role::admin}) {
    EXPECT_TRUE(lookups.lookup(as(role, bank_a), of(5))) << to_string(role);
  }
  EXPECT_REFUSED(lookups.lookup(as(Role::auditor, bank_a), of(5)), Code::forbidden, "Forbidden");
  const auto at_once = lookups.cached(as(Role::auditor, bank_a), of(5));
  ASSERT_TRUE(at_once);
  EXPECT_REFUSED(*at_once, Code::forbidden, "Forbidden");
}

TEST_F(LookupsTest, what_cannot_be_recorded_is_not_answered) {
  phone(ana, 5);
  ASSERT_TRUE(lookups.lookup(staff(bank_a), of(5)));
  log.full = true;
  EXPECT_REFUSED(lookups.lookup(staff(bank_a), of(5)), Code::exhausted, "LookupLogFull");
  EXPECT_REFUSED(lookups.lookup(staff(bank_a), paying(6)), Code::exhausted, "LookupLogFull");
  EXPECT_REFUSED(*lookups.cached(staff(bank_a), of(5)), Code::exhausted, "LookupLogFull");
}

}  // namespace
}  // namespace chaveiro::directory
