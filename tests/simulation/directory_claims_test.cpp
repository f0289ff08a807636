#include "tests/simulation/directory_world.h"

namespace chaveiro::directory {
namespace {

constexpr Micros tick{1};
const RequestId request{uuid_v5(Uuid{}, "request")};

// Ana holds a phone at bank A. Bruno claims it as another owner from bank B; Ana's own account there asks to carry it over.
struct ClaimsTest : ::testing::Test, World {
  Account ana = account(bank_a, natural(1));
  Account ana_at_b = account(bank_b, natural(1), "9");
  Account bruno = account(bank_b, natural(2));
  UtcTime registered = clock.now();
  Entry held = phone(ana, 5);

  ClaimsTest() { clock.advance(24h); }

  Claim acknowledged(const Claim& claim) { return claims.acknowledge(staff(claim.donor), claim.id).value(); }
  Claim confirmed(const Claim& claim) {
    acknowledged(claim);
    return claims.confirm(staff(claim.donor), claim.id, Reason::user_requested).value();
  }
  Result<Claim> complete(const Claim& claim, std::optional<RequestId> id = std::nullopt) {
    return claims.complete(staff(claim.claimer()), {claim.id, id});
  }
  std::size_t run_due() {
    return claims
        .run_due([](const ClaimId&, const Error& error) { ADD_FAILURE() << error.reason << " " << error.message; },
                 Deadline::never())
        .value();
  }
};

TEST_F(ClaimsTest, a_portability_moves_the_key_and_keeps_the_date_of_possession) {
  const Claim opened = claim(ana_at_b, 5);
  EXPECT_EQ(opened.type, ClaimType::portability);
  EXPECT_EQ(holder_of(5)->open_claim, (OpenClaim{opened.id, clock.now(), true}));
  acknowledged(opened);
  clock.advance(1h);
  ASSERT_TRUE(claims.confirm(staff(bank_a), opened.id, Reason::account_closure));
  EXPECT_EQ(holder_of(5), std::nullopt);
  EXPECT_EQ(stored(held.id).status, EntryStatus::deleted);
  clock.advance(1h);
  const Claim done = complete(opened, request).value();
  const Entry made = *holder_of(5);
  EXPECT_EQ(done.completed_entry, made.id);
  EXPECT_EQ(made.account.id, ana_at_b.id);
  EXPECT_EQ(made.request_id, request);
  EXPECT_EQ(made.created_at, clock.now());
  EXPECT_EQ(made.owned_since, registered);
  EXPECT_EQ(registry.last->completes, opened.id);
}

TEST_F(ClaimsTest, an_ownership_gives_the_key_to_a_new_owner_who_holds_it_from_then_on) {
  const Claim opened = claim(bruno, 5);
  EXPECT_EQ(opened.type, ClaimType::ownership);
  confirmed(opened);
  clock.advance(1h);
  ASSERT_TRUE(complete(opened));
  EXPECT_EQ(holder_of(5)->owner(), bruno.holder);
  EXPECT_EQ(holder_of(5)->owned_since, clock.now());
}

TEST_F(ClaimsTest, an_ownership_may_stay_at_one_participant_where_cancelling_must_say_the_side) {
  const Account carla = account(bank_a, natural(3), "3");
  const Claim opened = claim(carla, 5);
  EXPECT_EQ(opened.donor, opened.claimer());
  EXPECT_REFUSED(claims.cancel(staff(bank_a), opened.id, std::nullopt, Reason::fraud), Code::invalid, "ClaimInvalid");
  EXPECT_REFUSED(claims.cancel(staff(bank_a), opened.id, ClaimRole::donor, Reason::user_requested), Code::invalid,
                 "InvalidReason");
  EXPECT_EQ(claims.cancel(staff(bank_a), opened.id, ClaimRole::claimer, Reason::user_requested).value().cancelled_by,
            ClaimRole::claimer);
  const Claim again = claim(carla, 5);
  confirmed(again);
  ASSERT_TRUE(complete(again));
  EXPECT_EQ(holder_of(5)->owner(), carla.holder);
}

TEST_F(ClaimsTest, a_key_nobody_has_and_a_key_already_claimed_cannot_be_claimed) {
  EXPECT_REFUSED(try_claim(bruno, 6), Code::not_found, "ClaimKeyNotFound");
  const Claim opened = claim(bruno, 5);
  EXPECT_REFUSED(try_claim(ana_at_b, 5), Code::exists, "ClaimAlreadyExistsForKey");
  confirmed(opened);  // the entry is gone, the claim is not
  EXPECT_REFUSED(try_claim(ana_at_b, 5), Code::exists, "ClaimAlreadyExistsForKey");
  EXPECT_REFUSED(try_claim(account(bank_a, natural(1), "2"), 5), Code::exists, "ClaimAlreadyExistsForKey");
}

TEST_F(ClaimsTest, what_would_result_exists_already) {
  EXPECT_REFUSED(try_claim(account(bank_a, natural(1), "2"), 5), Code::exists, "ClaimResultingEntryAlreadyExists");
}

TEST_F(ClaimsTest, the_type_asked_for_must_fit_the_owners) {
  EXPECT_REFUSED(try_claim(bruno, 5, ClaimType::portability), Code::conflict, "ClaimTypeInconsistent");
  EXPECT_REFUSED(try_claim(ana_at_b, 5, ClaimType::ownership), Code::conflict, "ClaimTypeInconsistent");
}

TEST_F(ClaimsTest, the_claimers_account_must_be_his_and_open) {
  EXPECT_REFUSED(claims.start(staff(bank_b), {KeyType::phone, phone_of(5), ana.id, {}}), Code::not_found,
                 "AccountNotFound");
  EXPECT_REFUSED(claims.start(as(Role::user, bank_b, {{ana_at_b.id}}), {KeyType::phone, phone_of(5), bruno.id, {}}),
                 Code::forbidden, "Forbidden");
  const Claim opened = claim(bruno, 5);
  confirmed(opened);
  ASSERT_TRUE(accounts.close(staff(bank_b), bruno.id));
  EXPECT_REFUSED(try_claim(bruno, 5), Code::conflict, "AccountClosed");
  EXPECT_REFUSED(complete(opened), Code::conflict, "AccountClosed");
}

TEST_F(ClaimsTest, the_key_limit_holds_at_completion) {
  const Claim opened = claim(bruno, 5);
  confirmed(opened);
  std::vector<Entry> others;
  for (unsigned i = 0; i < 5; ++i) others.push_back(phone(bruno, 10 + i));
  EXPECT_REFUSED(complete(opened), Code::conflict, "EntryLimitExceeded");
  ASSERT_TRUE(entries.remove(staff(bank_b), others[0].id, Reason::user_requested));
  EXPECT_TRUE(complete(opened));
}

TEST_F(ClaimsTest, completing_again_with_the_same_request_is_answered_with_the_first_answer) {
  const Claim opened = claim(bruno, 5);
  confirmed(opened);
  const Claim done = complete(opened, request).value();
  clock.advance(24h);
  EXPECT_EQ(complete(opened, request).value(), done);
  EXPECT_REFUSED(complete(opened, RequestId{uuid_v4()}), Code::conflict, "ClaimOperationInvalid");
  EXPECT_REFUSED(try_phone(bruno, 6, request), Code::conflict, "RequestIdAlreadyUsed");
  ASSERT_TRUE(entries.remove(staff(bank_b), *done.completed_entry, Reason::user_requested));
  EXPECT_REFUSED(complete(opened, request), Code::conflict, "RequestIdAlreadyUsed");
}

TEST_F(ClaimsTest, a_request_id_of_a_registration_completes_nothing) {
  ASSERT_TRUE(try_phone(bruno, 6, request));
  const Claim opened = claim(bruno, 5);
  confirmed(opened);
  EXPECT_REFUSED(complete(opened, request), Code::conflict, "RequestIdAlreadyUsed");
}

TEST_F(ClaimsTest, a_registry_that_is_away_leaves_the_claim_confirmed) {
  const Claim opened = claim(bruno, 5);
  confirmed(opened);
  registry.refusal = fail(Code::unavailable, "ServiceUnavailable", "away");
  EXPECT_REFUSED(complete(opened), Code::unavailable, "ServiceUnavailable");
  EXPECT_EQ(claims.get(staff(bank_b), opened.id).value().status, ClaimStatus::confirmed);
  registry.refusal.reset();
  EXPECT_TRUE(complete(opened));
}

TEST_F(ClaimsTest, who_was_slower_decides_again) {
  const Claim opened = claim(bruno, 5);
  confirmed(opened);
  registry.meanwhile = [&] {
    ASSERT_TRUE(claims.cancel(staff(bank_b), opened.id, std::nullopt, Reason::user_requested));
  };
  EXPECT_REFUSED(complete(opened), Code::conflict, "ClaimOperationInvalid");
  EXPECT_EQ(holder_of(5), std::nullopt);
}

TEST_F(ClaimsTest, a_court_order_stops_the_confirmation_and_not_the_cancellation) {
  const Claim opened = claim(bruno, 5);
  acknowledged(opened);
  ASSERT_TRUE(entries.block(staff(bank_a), held.id, "order"));
  EXPECT_REFUSED(claims.confirm(staff(bank_a), opened.id, Reason::user_requested), Code::conflict, "EntryBlocked");
  ASSERT_TRUE(claims.cancel(staff(bank_b), opened.id, std::nullopt, Reason::user_requested));
  EXPECT_EQ(holder_of(5)->status, EntryStatus::blocked);
  EXPECT_EQ(holder_of(5)->open_claim, std::nullopt);
}

TEST_F(ClaimsTest, a_changed_entry_is_the_one_that_the_claim_goes_on_with) {
  const Claim opened = claim(bruno, 5);
  const Account savings = account(bank_a, natural(1), "2");
  ASSERT_TRUE(entries.update(staff(bank_a), {held.id, savings.id, {}, {}, Reason::user_requested}));
  confirmed(opened);
  EXPECT_EQ(stored(held.id).account.id, savings.id);
  EXPECT_EQ(stored(held.id).status, EntryStatus::deleted);
}

TEST_F(ClaimsTest, a_claim_exists_for_its_two_sides_only) {
  const Claim opened = claim(bruno, 5);
  EXPECT_TRUE(claims.get(staff(bank_a), opened.id));
  EXPECT_TRUE(claims.get(staff(bank_b), opened.id));
  EXPECT_REFUSED(claims.get(staff(bank_c), opened.id), Code::not_found, "NotFound");
  EXPECT_REFUSED(claims.acknowledge(staff(bank_c), opened.id), Code::not_found, "NotFound");
  EXPECT_REFUSED(claims.cancel(staff(bank_c), opened.id, ClaimRole::donor, Reason::fraud), Code::not_found, "NotFound");
  EXPECT_REFUSED(claims.get(staff(bank_a), ClaimId{uuid_v4()}), Code::not_found, "NotFound");
  EXPECT_REFUSED(claims.list(staff(bank_c), {.ispb = bank_a}, {}), Code::forbidden, "Forbidden");
}

TEST_F(ClaimsTest, a_user_sees_the_claims_of_his_accounts_on_either_side) {
  const Claim opened = claim(bruno, 5);
  const Context donor = as(Role::user, bank_a, {{ana.id}});
  const Context claimer = as(Role::user, bank_b, {{bruno.id}});
  const Context stranger = as(Role::user, bank_b, {{ana_at_b.id}});
  EXPECT_TRUE(claims.get(donor, opened.id));
  EXPECT_TRUE(claims.get(claimer, opened.id));
  EXPECT_REFUSED(claims.get(stranger, opened.id), Code::not_found, "NotFound");
  EXPECT_REFUSED(claims.cancel(stranger, opened.id, std::nullopt, Reason::user_requested), Code::not_found, "NotFound");
  EXPECT_EQ(claims.list(donor, {.ispb = bank_a, .role = ClaimRole::donor}, {}).value().items.size(), 1u);
  EXPECT_EQ(claims.list(claimer, {.ispb = bank_b, .role = ClaimRole::claimer}, {}).value().items.size(), 1u);
  EXPECT_EQ(claims.list(stranger, {.ispb = bank_b, .role = ClaimRole::claimer}, {}).value().items.size(), 0u);
  EXPECT_TRUE(claims.acknowledge(donor, opened.id));
  EXPECT_REFUSED(claims.acknowledge(as(Role::auditor, bank_a), opened.id), Code::forbidden, "Forbidden");
}

TEST_F(ClaimsTest, the_worker_does_nothing_one_microsecond_too_early) {
  claim(bruno, 5);
  clock.advance(168h - tick);
  EXPECT_EQ(run_due(), 0u);
  clock.advance(tick);
  EXPECT_EQ(run_due(), 2u);  // acknowledged, then confirmed
  EXPECT_EQ(run_due(), 0u);
}

TEST_F(ClaimsTest, the_worker_confirms_an_ownership_and_gives_it_up_on_day_30) {
  const Claim opened = claim(bruno, 5);
  clock.advance(168h);
  EXPECT_EQ(run_due(), 2u);
  const Claim after_a_week = claims.get(staff(bank_a), opened.id).value();
  EXPECT_EQ(after_a_week.status, ClaimStatus::confirmed);
  EXPECT_EQ(after_a_week.confirm_reason, Reason::default_operation);
  EXPECT_REFUSED(complete(opened), Code::conflict, "ClaimCompletionPeriodNotEnded");
  clock.advance(720h - 168h - tick);
  EXPECT_EQ(run_due(), 0u);
  clock.advance(tick);
  EXPECT_EQ(run_due(), 1u);
  const Claim ended = claims.get(staff(bank_b), opened.id).value();
  EXPECT_EQ(ended.status, ClaimStatus::cancelled);
  EXPECT_EQ(ended.cancelled_by, ClaimRole::claimer);
  EXPECT_EQ(ended.cancel_reason, Reason::default_operation);
  EXPECT_TRUE(try_phone(ana, 5));  // the key is free
}

TEST_F(ClaimsTest, the_worker_cancels_a_portability_that_nobody_answered) {
  const Claim opened = claim(ana_at_b, 5);
  clock.advance(168h);
  EXPECT_EQ(run_due(), 2u);
  const Claim ended = claims.get(staff(bank_b), opened.id).value();
  EXPECT_EQ(ended.status, ClaimStatus::cancelled);
  EXPECT_EQ(ended.cancelled_by, ClaimRole::donor);
  EXPECT_EQ(holder_of(5)->open_claim, std::nullopt);
}

TEST_F(ClaimsTest, a_worker_that_was_off_for_30_days_takes_no_entry_away_for_nobody) {
  const Claim opened = claim(bruno, 5);
  clock.advance(720h);
  EXPECT_EQ(run_due(), 1u);
  EXPECT_EQ(claims.get(staff(bank_b), opened.id).value().status, ClaimStatus::cancelled);
  EXPECT_EQ(holder_of(5)->id, held.id);
}

TEST_F(ClaimsTest, the_worker_acts_for_our_side_only) {
  Claims donors(store, registry, clock, KeyRules{}, {bank_a});
  Claims claimers(store, registry, clock, KeyRules{}, {bank_b});
  const auto failed = [](const ClaimId&, const Error& error) { ADD_FAILURE() << error.message; };
  claim(bruno, 5);
  clock.advance(719h);
  EXPECT_EQ(claimers.run_due(failed, Deadline::never()).value(), 0u);
  EXPECT_EQ(donors.run_due(failed, Deadline::never()).value(), 2u);
  clock.advance(1h);
  EXPECT_EQ(donors.run_due(failed, Deadline::never()).value(), 0u);
  EXPECT_EQ(claimers.run_due(failed, Deadline::never()).value(), 1u);
}

TEST_F(ClaimsTest, the_worker_ends_its_round_when_it_is_told_to_and_the_next_one_takes_up_the_rest) {
  claim(bruno, 5);
  clock.advance(168h);
  const auto failed = [](const ClaimId&, const Error& error) { ADD_FAILURE() << error.message; };
  int asked = 0;
  EXPECT_EQ(claims.run_due(failed, Deadline::never(), [&] { return ++asked < 2; }).value(), 1u);
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(claims.run_due(failed, Deadline::never(), [] { return false; }).value(), 0u);
  EXPECT_EQ(run_due(), 1u);
}

TEST_F(ClaimsTest, a_claim_that_fails_is_told_and_does_not_hold_up_the_others) {
  const Claim stuck = claim(bruno, 5);
  phone(account(bank_a, natural(3), "3"), 6);
  clock.advance(1h);
  const Claim other = claim(bruno, 6);
  ASSERT_TRUE(entries.block(staff(bank_a), held.id, "order"));
  clock.advance(168h);
  std::vector<ClaimId> told;
  const auto failed = [&](const ClaimId& id, const Error& error) {
    EXPECT_EQ(error.reason, "EntryBlocked");
    told.push_back(id);
  };
  EXPECT_EQ(claims.run_due(failed, Deadline::never()).value(), 3u);  // both acknowledged, one confirmed
  EXPECT_EQ(told, std::vector{stuck.id});
  EXPECT_EQ(claims.get(staff(bank_a), other.id).value().status, ClaimStatus::confirmed);
}

TEST_F(ClaimsTest, the_worker_reaches_claims_behind_many_that_wait_for_others) {
  // 300 old claims whose donor is not ours to act for, then one of ours.
  Account many{};
  for (unsigned i = 0; i < 300; ++i) {
    if (i % 20 == 0) many = account(bank_c, legal(100 + i), std::to_string(i + 1));
    phone(many, 1000 + i);
    claim(bruno, 1000 + i);
  }
  clock.advance(1h);
  const Claim ours = claim(bruno, 5);
  clock.advance(168h);
  Claims donors(store, registry, clock, KeyRules{}, {bank_a});
  const auto failed = [](const ClaimId&, const Error& error) { ADD_FAILURE() << error.message; };
  EXPECT_EQ(donors.run_due(failed, Deadline::never()).value(), 2u);
  EXPECT_EQ(claims.get(staff(bank_a), ours.id).value().status, ClaimStatus::confirmed);
}

TEST_F(ClaimsTest, the_workers_steps_stand_in_the_audit_as_system) {
  claim(bruno, 5);
  clock.advance(168h);
  run_due();
  const auto records = store.audit({.ispb = bank_a, .actor = "system"}, {}, Deadline::never()).value();
  ASSERT_FALSE(records.items.empty());
}

}  // namespace
}  // namespace chaveiro::directory
