#include "tests/simulation/directory_world.h"

namespace chaveiro::directory {
namespace {

const RequestId request{uuid_v5(Uuid{}, "request")};

struct EntriesTest : ::testing::Test, World {
  Account ana = account(bank_a, natural(1));
  Account ana_savings = account(bank_a, natural(1), "2");
  Account ana_elsewhere = account(bank_b, natural(1));
  Account bruno = account(bank_a, natural(2));
  Account bakery = account(bank_a, legal(7));

  Result<Entry> create(const Account& into, KeyType type, std::optional<std::string> key,
                       std::optional<RequestId> id = std::nullopt) {
    return entries.create(staff(into.ispb), {type, std::move(key), into.id, Reason::user_requested, id});
  }
  Result<Entry> update(UpdateEntry what) { return entries.update(staff(bank_a), what); }
};

TEST_F(EntriesTest, a_registration_is_active_owned_from_now_on_and_found) {
  const Entry made = phone(ana, 5);
  EXPECT_EQ(made.status, EntryStatus::active);
  EXPECT_EQ(made.created_at, clock.now());
  EXPECT_EQ(made.owned_since, clock.now());
  EXPECT_EQ(made.owner(), ana.holder);
  EXPECT_EQ(made.id.uuid.version(), 7);
  EXPECT_EQ(entries.get(staff(bank_a), made.id).value(), made);
  EXPECT_EQ(entries.get(staff(bank_a), made.key).value(), made);
}

TEST_F(EntriesTest, every_key_type_can_be_registered) {
  EXPECT_TRUE(create(ana, KeyType::cpf, cpf_of(1)));
  EXPECT_TRUE(create(bakery, KeyType::cnpj, cnpj_of(7)));
  EXPECT_TRUE(create(ana, KeyType::email, "ana@example.com"));
  EXPECT_TRUE(create(ana, KeyType::phone, phone_of(1)));
  const auto evp = create(ana, KeyType::evp, std::nullopt);
  ASSERT_TRUE(evp);
  EXPECT_TRUE(Key::parse(KeyType::evp, evp->key.value(), {}));
}

TEST_F(EntriesTest, an_evp_is_made_by_the_registry_and_by_nobody_else) {
  EXPECT_REFUSED(create(ana, KeyType::evp, "123e4567-e89b-12d3-a456-426655440000"), Code::invalid, "EntryInvalid");
  EXPECT_REFUSED(create(ana, KeyType::phone, std::nullopt), Code::invalid, "EntryInvalid");
  EXPECT_REFUSED(create(ana, KeyType::phone, "61988887777"), Code::invalid, "EntryInvalid");
}

TEST_F(EntriesTest, three_refusals_tell_whose_the_key_is) {
  phone(ana, 5);
  EXPECT_REFUSED(try_phone(ana, 5), Code::exists, "EntryAlreadyExists");
  EXPECT_REFUSED(try_phone(ana_savings, 5), Code::exists, "EntryAlreadyExists");
  EXPECT_REFUSED(try_phone(ana_elsewhere, 5), Code::exists, "EntryKeyInCustodyOfDifferentParticipant");
  EXPECT_REFUSED(try_phone(bruno, 5), Code::exists, "EntryKeyOwnedByDifferentPerson");
  EXPECT_REFUSED(try_phone(account(bank_b, natural(2)), 5), Code::exists, "EntryKeyOwnedByDifferentPerson");
  EXPECT_EQ(registry.calls, 1);  // what our own base knows, the registry is not asked
}

TEST_F(EntriesTest, a_tax_id_is_a_key_of_its_person_only) {
  EXPECT_REFUSED(create(ana, KeyType::cpf, cpf_of(2)), Code::invalid, "EntryTaxIdNumberByDifferentOwner");
  EXPECT_REFUSED(create(bakery, KeyType::cpf, cpf_of(1)), Code::invalid, "EntryTaxIdNumberByDifferentOwner");
  EXPECT_REFUSED(create(bakery, KeyType::cnpj, cnpj_of(8)), Code::invalid, "EntryTaxIdNumberByDifferentOwner");
}

TEST_F(EntriesTest, nothing_is_registered_or_deleted_while_a_claim_lives) {
  const Entry held = phone(ana, 5);
  const Account claimer = account(bank_b, natural(2));
  const Claim opened = claim(claimer, 5);
  EXPECT_REFUSED(try_phone(bruno, 5), Code::conflict, "EntryLockedByClaim");
  EXPECT_REFUSED(entries.remove(staff(bank_a), held.id, Reason::user_requested), Code::conflict, "EntryLockedByClaim");
  ASSERT_TRUE(claims.acknowledge(staff(bank_a), opened.id));
  ASSERT_TRUE(claims.confirm(staff(bank_a), opened.id, Reason::user_requested));
  EXPECT_REFUSED(try_phone(ana, 5), Code::conflict, "EntryLockedByClaim");  // no entry any more, and still not free
  ASSERT_TRUE(claims.cancel(staff(bank_b), opened.id, std::nullopt, Reason::user_requested));
  EXPECT_TRUE(try_phone(ana, 5));
}

TEST_F(EntriesTest, reasons_are_held_to_the_table) {
  EXPECT_REFUSED(entries.create(staff(bank_a), {KeyType::phone, phone_of(1), ana.id, Reason::fraud, {}}), Code::invalid,
                 "InvalidReason");
  const Entry held = phone(ana, 5);
  EXPECT_REFUSED(entries.remove(staff(bank_a), held.id, Reason::branch_transfer), Code::invalid, "InvalidReason");
  EXPECT_REFUSED(update({held.id, ana_savings.id, {}, {}, Reason::fraud}), Code::invalid, "InvalidReason");
  const Entry evp = create(ana, KeyType::evp, std::nullopt).value();
  EXPECT_REFUSED(update({evp.id, ana_savings.id, {}, {}, Reason::user_requested}), Code::invalid, "InvalidReason");
  EXPECT_TRUE(update({evp.id, ana_savings.id, {}, {}, Reason::rfb_validation}));
}

TEST_F(EntriesTest, an_account_holds_five_keys_of_a_natural_and_twenty_of_a_legal_person) {
  for (const auto& [into, limit] : {std::pair{ana, 5u}, std::pair{bakery, 20u}}) {
    std::vector<Entry> made;
    for (unsigned i = 0; i < limit; ++i) made.push_back(create(into, KeyType::evp, std::nullopt).value());
    EXPECT_REFUSED(create(into, KeyType::evp, std::nullopt), Code::conflict, "EntryLimitExceeded");
    ASSERT_TRUE(entries.remove(staff(bank_a), made[2].id, Reason::user_requested));
    EXPECT_EQ(create(into, KeyType::evp, std::nullopt).value().slot, made[2].slot);
    EXPECT_REFUSED(create(into, KeyType::evp, std::nullopt), Code::conflict, "EntryLimitExceeded");
  }
  EXPECT_TRUE(phone(ana_savings, 1).live());  // the limit is one of the account, not of the person
}

TEST_F(EntriesTest, a_repeated_request_is_answered_with_the_first_answer) {
  const Entry first = try_phone(ana, 5, request).value();
  clock.advance(24h * 400);
  EXPECT_EQ(try_phone(ana, 5, request).value(), first);
  EXPECT_EQ(registry.calls, 1);
}

TEST_F(EntriesTest, a_repeated_request_for_an_evp_makes_no_second_key) {
  const Entry first = create(ana, KeyType::evp, std::nullopt, request).value();
  EXPECT_EQ(create(ana, KeyType::evp, std::nullopt, request).value(), first);
}

TEST_F(EntriesTest, a_request_id_is_spent_with_its_body) {
  ASSERT_TRUE(try_phone(ana, 5, request));
  EXPECT_REFUSED(try_phone(ana, 6, request), Code::conflict, "RequestIdAlreadyUsed");
  EXPECT_REFUSED(try_phone(ana_savings, 5, request), Code::conflict, "RequestIdAlreadyUsed");
  EXPECT_REFUSED(create(ana, KeyType::evp, std::nullopt, request), Code::conflict, "RequestIdAlreadyUsed");
  EXPECT_TRUE(try_phone(ana_elsewhere, 6, request));  // of another participant it is another id
}

TEST_F(EntriesTest, a_request_id_is_spent_once_its_entry_has_changed_or_gone) {
  const Entry moved = try_phone(ana, 5, request).value();
  ASSERT_TRUE(update({moved.id, ana_savings.id, {}, {}, Reason::user_requested}));
  EXPECT_REFUSED(try_phone(ana, 5, request), Code::conflict, "RequestIdAlreadyUsed");
  const RequestId second{uuid_v4()};
  const Entry gone = try_phone(ana, 6, second).value();
  ASSERT_TRUE(entries.remove(staff(bank_a), gone.id, Reason::user_requested));
  EXPECT_REFUSED(try_phone(ana, 6, second), Code::conflict, "RequestIdAlreadyUsed");
}

TEST_F(EntriesTest, without_a_request_id_a_repetition_is_told_that_the_key_exists) {
  phone(ana, 5);
  EXPECT_REFUSED(try_phone(ana, 5), Code::exists, "EntryAlreadyExists");
  EXPECT_REFUSED(try_phone(ana, 6, RequestId{}), Code::invalid, "BadRequest");  // nil: a forgotten field
}

TEST_F(EntriesTest, a_refused_registration_leaves_nothing_and_can_be_repeated) {
  registry.refusal = fail(Code::unavailable, "ServiceUnavailable", "away");
  EXPECT_REFUSED(try_phone(ana, 5, request), Code::unavailable, "ServiceUnavailable");
  EXPECT_EQ(holder_of(5), std::nullopt);
  registry.refusal.reset();
  EXPECT_TRUE(try_phone(ana, 5, request));
}

TEST_F(EntriesTest, who_was_slower_decides_again) {
  registry.meanwhile = [&] { phone(bruno, 5); };
  EXPECT_REFUSED(try_phone(ana, 5), Code::exists, "EntryKeyOwnedByDifferentPerson");
  registry.meanwhile = [&] { ASSERT_TRUE(accounts.close(staff(bank_a), ana_savings.id)); };
  EXPECT_REFUSED(try_phone(ana_savings, 6), Code::conflict, "AccountClosed");
  registry.meanwhile = [&] { ASSERT_TRUE(try_phone(ana, 7, request)); };
  const auto slower = try_phone(ana, 7, request);
  ASSERT_TRUE(slower);
  EXPECT_EQ(*slower, *holder_of(7));
}

TEST_F(EntriesTest, two_that_want_the_same_slot_both_get_one_and_the_registry_is_asked_once_each) {
  registry.meanwhile = [&] { phone(ana, 5); };
  const Entry slower = create(ana, KeyType::evp, std::nullopt).value();
  EXPECT_EQ(holder_of(5)->slot, 0);
  EXPECT_EQ(slower.slot, 1);
  EXPECT_EQ(registry.calls, 2);
}

TEST_F(EntriesTest, an_account_must_be_there_and_open) {
  const CreateEntry into_nothing{KeyType::evp, {}, AccountId{uuid_v4()}, Reason::user_requested, {}};
  EXPECT_REFUSED(entries.create(staff(bank_a), into_nothing), Code::not_found, "AccountNotFound");
  ASSERT_TRUE(accounts.close(staff(bank_a), bruno.id));
  EXPECT_REFUSED(try_phone(bruno, 5), Code::conflict, "AccountClosed");
}

TEST_F(EntriesTest, an_update_moves_the_key_and_keeps_its_dates_and_its_request_id) {
  const Entry made = try_phone(ana, 5, request).value();
  clock.advance(1h);
  const Entry moved = update({made.id, ana_savings.id, "João da Silva", {}, Reason::user_requested}).value();
  EXPECT_EQ(moved.account.id, ana_savings.id);
  EXPECT_EQ(moved.owner().name, "João da Silva");
  EXPECT_EQ(moved.created_at, made.created_at);
  EXPECT_EQ(moved.owned_since, made.owned_since);
  EXPECT_EQ(moved.request_id, request);
  EXPECT_EQ(moved.updated_at, clock.now());
  EXPECT_EQ(stored(made.id), moved);
}

TEST_F(EntriesTest, a_new_name_is_the_keys_alone) {
  const Entry one = phone(ana, 1);
  const Entry other = phone(ana, 2);
  ASSERT_TRUE(update({one.id, {}, "Ana Silva", {}, Reason::rfb_validation}));
  EXPECT_EQ(stored(other.id).owner().name, "João Silva");
  EXPECT_EQ(accounts.get(staff(bank_a), ana.id).value().holder.name, "João Silva");
  // And stays when the key moves to another account of the owner.
  EXPECT_EQ(update({one.id, ana_savings.id, {}, {}, Reason::user_requested}).value().owner().name, "Ana Silva");
}

TEST_F(EntriesTest, a_trade_name_can_be_given_and_taken_away) {
  const Entry made = phone(bakery, 1);
  EXPECT_EQ(update({made.id, {}, {}, "Pão & Cia", Reason::user_requested}).value().owner().trade_name, "Pão & Cia");
  EXPECT_EQ(update({made.id, {}, {}, "", Reason::user_requested}).value().owner().trade_name, std::nullopt);
  EXPECT_REFUSED(update({phone(ana, 2).id, {}, {}, "Loja", Reason::user_requested}), Code::invalid, "EntryInvalid");
}

TEST_F(EntriesTest, an_update_that_changes_nothing_writes_nothing) {
  const Entry made = phone(ana, 5);
  EXPECT_EQ(update({made.id, ana.id, made.owner().name, {}, Reason::user_requested}).value(), made);
  EXPECT_REFUSED(update({made.id, {}, {}, {}, Reason::user_requested}), Code::invalid, "EntryInvalid");
}

TEST_F(EntriesTest, an_update_stays_with_the_owner_and_the_participant) {
  const Entry made = phone(ana, 5);
  EXPECT_REFUSED(update({made.id, bruno.id, {}, {}, Reason::user_requested}), Code::invalid, "EntryInvalid");
  EXPECT_REFUSED(update({made.id, ana_elsewhere.id, {}, {}, Reason::user_requested}), Code::not_found,
                 "AccountNotFound");
  ASSERT_TRUE(accounts.close(staff(bank_a), ana_savings.id));
  EXPECT_REFUSED(update({made.id, ana_savings.id, {}, {}, Reason::user_requested}), Code::conflict, "AccountClosed");
  EXPECT_REFUSED(update({made.id, {}, "J. Silva", {}, Reason::user_requested}), Code::invalid, "EntryInvalid");
}

TEST_F(EntriesTest, an_update_into_a_full_account_is_refused) {
  const Entry made = phone(ana, 5);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(create(ana_savings, KeyType::evp, std::nullopt));
  EXPECT_REFUSED(update({made.id, ana_savings.id, {}, {}, Reason::user_requested}), Code::conflict,
                 "EntryLimitExceeded");
}

TEST_F(EntriesTest, a_donor_may_change_a_claimed_entry_unless_told_otherwise) {
  const Entry made = phone(ana, 5);
  const Claim opened = claim(account(bank_b, natural(2)), 5);
  const Entry moved = update({made.id, ana_savings.id, {}, {}, Reason::user_requested}).value();
  EXPECT_EQ(moved.open_claim->id, opened.id);
  Entries strict(store, registry, clock, KeyRules{}, {.update_under_claim = false});
  EXPECT_REFUSED(strict.update(staff(bank_a), {made.id, ana.id, {}, {}, Reason::user_requested}), Code::conflict,
                 "EntryLockedByClaim");
}

TEST_F(EntriesTest, a_deleted_entry_is_readable_by_its_id_and_its_key_is_free) {
  const Entry made = phone(ana, 5);
  clock.advance(1h);
  const Entry gone = entries.remove(staff(bank_a), made.id, Reason::account_closure).value();
  EXPECT_EQ(gone.status, EntryStatus::deleted);
  EXPECT_EQ(gone.deleted_at, clock.now());
  EXPECT_EQ(gone.delete_reason, Reason::account_closure);
  EXPECT_EQ(entries.get(staff(bank_a), made.id).value(), gone);
  EXPECT_REFUSED(entries.get(staff(bank_a), made.key), Code::not_found, "NotFound");
  EXPECT_REFUSED(entries.remove(staff(bank_a), made.id, Reason::user_requested), Code::not_found, "NotFound");
  EXPECT_REFUSED(update({made.id, ana_savings.id, {}, {}, Reason::user_requested}), Code::not_found, "NotFound");
  EXPECT_REFUSED(entries.block(staff(bank_a), made.id, "order"), Code::not_found, "NotFound");
  const Entry again = phone(bruno, 5);
  EXPECT_NE(again.id, made.id);
  EXPECT_EQ(again.owned_since, clock.now());
}

TEST_F(EntriesTest, what_was_prepared_for_a_version_does_not_fit_once_it_is_outdated) {
  const Entry made = phone(ana, 5);
  const Entry fresh = entries.outdate(staff(bank_a), made.id, made.version, "cancel_portability").value();
  EXPECT_GT(fresh.version, made.version);
  EXPECT_EQ(fresh.updated_at, made.updated_at);
  EXPECT_EQ(entries.outdate(staff(bank_a), made.id, made.version, "cancel_portability").value(), fresh) << "once only";
  UpdateEntry move{made.id, ana_savings.id, {}, {}, Reason::user_requested, made.version};
  EXPECT_REFUSED(update(move), Code::conflict, "EntryChanged");
  move.version = fresh.version;
  EXPECT_TRUE(update(move));
  EXPECT_REFUSED(entries.outdate(staff(bank_b), made.id, 1, "cancel_portability"), Code::not_found, "NotFound");
}

TEST_F(EntriesTest, a_court_order_blocks_and_another_unblocks) {
  const Entry made = phone(ana, 5);
  const Entry blocked = entries.block(staff(bank_a), made.id, "0001234-56.2026.8.26.0100").value();
  EXPECT_EQ(blocked.status, EntryStatus::blocked);
  EXPECT_EQ(blocked.block_order, "0001234-56.2026.8.26.0100");
  EXPECT_EQ(entries.block(staff(bank_a), made.id, "again").value(), blocked);
  EXPECT_REFUSED(update({made.id, ana_savings.id, {}, {}, Reason::user_requested}), Code::conflict, "EntryBlocked");
  EXPECT_REFUSED(entries.remove(staff(bank_a), made.id, Reason::user_requested), Code::conflict, "EntryBlocked");
  EXPECT_REFUSED(try_claim(account(bank_b, natural(2)), 5), Code::conflict, "EntryBlocked");
  const Entry freed = entries.unblock(staff(bank_a), made.id, "0001234-57").value();
  EXPECT_EQ(freed.status, EntryStatus::active);
  EXPECT_EQ(freed.block_order, "0001234-57");
  EXPECT_TRUE(entries.remove(staff(bank_a), made.id, Reason::user_requested));
}

TEST_F(EntriesTest, a_block_names_its_order_and_is_not_for_users) {
  const Entry made = phone(ana, 5);
  EXPECT_REFUSED(entries.block(staff(bank_a), made.id, ""), Code::invalid, "BadRequest");
  EXPECT_REFUSED(entries.block(staff(bank_a), made.id, std::string(101, 'x')), Code::invalid, "BadRequest");
  EXPECT_REFUSED(entries.block(staff(bank_a), made.id, "a\nb"), Code::invalid, "BadRequest");
  EXPECT_REFUSED(entries.block(as(Role::user, bank_a, {{ana.id}}), made.id, "order"), Code::forbidden, "Forbidden");
}

TEST_F(EntriesTest, what_belongs_to_another_participant_does_not_exist) {
  const Entry made = phone(ana, 5);
  EXPECT_REFUSED(entries.get(staff(bank_b), made.id), Code::not_found, "NotFound");
  EXPECT_REFUSED(entries.get(staff(bank_b), made.key), Code::not_found, "NotFound");
  EXPECT_REFUSED(entries.remove(staff(bank_b), made.id, Reason::user_requested), Code::not_found, "NotFound");
  EXPECT_REFUSED(entries.update(staff(bank_b), {made.id, {}, "X", {}, Reason::user_requested}), Code::not_found,
                 "NotFound");
  EXPECT_REFUSED(entries.block(staff(bank_b), made.id, "order"), Code::not_found, "NotFound");
  EXPECT_REFUSED(entries.create(staff(bank_b), {KeyType::evp, {}, ana.id, Reason::user_requested, {}}), Code::not_found,
                 "AccountNotFound");
  EXPECT_REFUSED(entries.list(staff(bank_b), {.ispb = bank_a}, {}), Code::forbidden, "Forbidden");
  EXPECT_TRUE(entries.list(staff(bank_b), {.ispb = bank_b}, {}).value().items.empty());
}

TEST_F(EntriesTest, a_user_sees_and_touches_the_keys_of_his_accounts_only) {
  const Entry hers = phone(ana, 1);
  const Entry his = phone(bruno, 2);
  const Context user = as(Role::user, bank_a, {{ana.id}});
  EXPECT_TRUE(entries.get(user, hers.id));
  EXPECT_REFUSED(entries.get(user, his.id), Code::not_found, "NotFound");
  EXPECT_REFUSED(entries.remove(user, his.id, Reason::user_requested), Code::not_found, "NotFound");
  EXPECT_REFUSED(entries.create(user, {KeyType::evp, {}, bruno.id, Reason::user_requested, {}}), Code::forbidden,
                 "Forbidden");
  EXPECT_REFUSED(entries.update(user, {hers.id, ana_savings.id, {}, {}, Reason::user_requested}), Code::forbidden,
                 "Forbidden");
  EXPECT_EQ(entries.list(user, {.ispb = bank_a}, {}).value().items, std::vector{hers});
  EXPECT_TRUE(entries.list(user, {.ispb = bank_a, .accounts = {{bruno.id}}}, {}).value().items.empty());
  EXPECT_TRUE(entries.list(as(Role::user, bank_a), {.ispb = bank_a}, {}).value().items.empty());
  EXPECT_EQ(entries.list(staff(bank_a), {.ispb = bank_a}, {}).value().items.size(), 2u);
}

TEST_F(EntriesTest, an_auditor_reads_and_changes_nothing) {
  const Entry made = phone(ana, 5);
  const Context auditor = as(Role::auditor, bank_a);
  EXPECT_TRUE(entries.get(auditor, made.id));
  EXPECT_REFUSED(entries.create(auditor, {KeyType::evp, {}, ana.id, Reason::user_requested, {}}), Code::forbidden,
                 "Forbidden");
  EXPECT_REFUSED(entries.remove(auditor, made.id, Reason::user_requested), Code::forbidden, "Forbidden");
}

}  // namespace
}  // namespace chaveiro::directory
