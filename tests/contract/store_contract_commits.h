// tests/contract/store_contract_commits.h
//
// The sentences about commits: what is stored, what is refused, in which order. Included by store_contract.h.
//
// Threads: see there.
#pragma once

#include "tests/contract/store_contract.h"

namespace chaveiro::contract {

using StoreCommits = StoreContract;

TEST_P(StoreCommits, answers_nothing_where_nothing_is) {
  EXPECT_FALSE(value_of(store->live_entry(phone_of(1), soon())));
  EXPECT_FALSE(value_of(store->entry({uuid_of(1, 1)}, soon())));
  EXPECT_FALSE(value_of(store->account(account_of(1).id, soon())));
  EXPECT_FALSE(value_of(store->claim({uuid_of(1, 2)}, soon())));
  EXPECT_FALSE(value_of(store->live_claim(phone_of(1), soon())));
  EXPECT_FALSE(value_of(store->request(our_ispb, {uuid_of(1, 9)}, soon())));
  EXPECT_EQ(value_of(store->slots_taken(account_of(1).id, soon())), 0u);
}

TEST_P(StoreCommits, gives_an_account_back_as_it_was_with_the_commit_as_version) {
  Account account = account_of(1);
  account.branch.reset();
  account.holder = {PersonType::legal, "11222333000181", "Padaria São João Ltda", "Pão \"Quente\"\t& Cia"};
  account.id = account_id_of(account.ispb, account.branch, account.number, account.type);
  const Account expected = stored(account);
  EXPECT_GT(expected.version, 0u);
  EXPECT_EQ(found_in(store->account(account.id, soon())), expected);
}

TEST_P(StoreCommits, gives_an_entry_back_with_every_field) {
  const Account account = stored(account_of(1));
  Entry entry = entry_of(1, account, email_of(1), 3);
  entry.status = EntryStatus::blocked;
  entry.owned_since = day_one - std::chrono::years(3);
  entry.open_claim = OpenClaim{{uuid_of(5, 2)}, day_one + Micros(77), true};
  entry.block_order = "0001234-56.2026.8.26.0100";
  const Entry expected = stored(entry);
  EXPECT_EQ(found_in(store->entry(entry.id, soon())), expected);
  EXPECT_EQ(found_in(store->live_entry(entry.key, soon())), expected);
}

TEST_P(StoreCommits, gives_a_claim_back_with_every_field) {
  const Account account = stored(account_of(1));
  const Entry entry = stored(entry_of(1, account, phone_of(1)));
  Claim claim = claim_of(1, entry, account_of(2, other_ispb));
  claim.registry_id = "b1c4bdbf-5c5b-4c12-a3b1-2d5f2b1f1c77";
  claim.type = ClaimType::ownership;
  claim.status = ClaimStatus::completed;
  claim.completion_end = day_one + std::chrono::hours(336);
  claim.confirm_reason = Reason::user_requested;
  claim.cancel_reason = Reason::fraud;
  claim.cancelled_by = ClaimRole::claimer;
  claim.ended_at = day_one + Micros(99);
  claim.complete_request = RequestId{uuid_of(8, 9)};
  claim.completed_entry = EntryId{uuid_of(8, 1)};
  const Claim expected = stored(claim);
  EXPECT_EQ(found_in(store->claim(claim.id, soon())), expected);
}

TEST_P(StoreCommits, counts_sequences_up) {
  std::uint64_t last = 0;
  for (std::uint64_t n = 1; n <= 20; ++n) {
    const std::uint64_t sequence = must(registration_of(n));
    EXPECT_GT(sequence, last);
    last = sequence;
  }
}

TEST_P(StoreCommits, replaces_what_is_still_as_it_was_read) {
  const Account account = stored(account_of(1));
  Account closed = account;
  closed.status = AccountStatus::closed;
  const Account expected = replaced(account, closed);
  EXPECT_GT(expected.version, account.version);
  EXPECT_EQ(found_in(store->account(account.id, soon())), expected);
}

TEST_P(StoreCommits, refuses_to_replace_an_account_that_changed_meanwhile) {
  const Account account = stored(account_of(1));
  const Account second = replaced(account, account);
  must_be_stale(change_of("update", {put(account, account)}));
  EXPECT_EQ(found_in(store->account(account.id, soon())), second);
}

TEST_P(StoreCommits, refuses_to_replace_an_entry_that_changed_meanwhile) {
  const Entry entry = stored(entry_of(1, stored(account_of(1)), phone_of(1)));
  const Entry second = replaced(entry, entry);
  must_be_stale(change_of("update", {put(entry, entry)}));
  EXPECT_EQ(found_in(store->entry(entry.id, soon())), second);
}

TEST_P(StoreCommits, refuses_to_replace_a_claim_that_changed_meanwhile) {
  const Entry entry = stored(entry_of(1, stored(account_of(1)), phone_of(1)));
  const Claim claim = stored(claim_of(1, entry, account_of(2, other_ispb)));
  const Claim second = replaced(claim, claim);
  must_be_stale(change_of("update", {put(claim, claim)}));
  EXPECT_EQ(found_in(store->claim(claim.id, soon())), second);
}

TEST_P(StoreCommits, refuses_to_make_what_is_there) {
  const Entry entry = stored(entry_of(1, stored(account_of(1)), phone_of(1)));
  must_be_stale(change_of("create_account", {put(account_of(1))}));
  must_be_stale(change_of("create_entry", {put(entry_of(1, entry.account, phone_of(2), 1))}));
  stored(claim_of(1, entry, account_of(2, other_ispb)));
  must_be_stale(change_of("start_claim", {put(claim_of(1, entry, account_of(3, other_ispb)))}));
}

TEST_P(StoreCommits, refuses_to_replace_what_is_not_there) {
  must_be_stale(change_of("update", {put(account_of(1), account_of(1))}));
}

TEST_P(StoreCommits, keeps_one_live_entry_a_key) {
  const Account first = stored(account_of(1));
  const Account second = stored(account_of(2, other_ispb));
  const Entry entry = stored(entry_of(1, first, phone_of(1)));
  must_be_stale(change_of("create_entry", {put(entry_of(2, second, phone_of(1)))}));
  EXPECT_EQ(found_in(store->live_entry(phone_of(1), soon())), entry);
}

TEST_P(StoreCommits, tells_keys_of_different_types_apart) {
  const Account account = stored(account_of(1));
  const Key cpf = Key::parse(KeyType::cpf, "11144477735", KeyRules{}).value();
  stored(entry_of(1, account, cpf, 0));
  stored(entry_of(2, account, email_of(1), 1));
  EXPECT_EQ(found_in(store->live_entry(cpf, soon())).slot, 0);
  EXPECT_EQ(found_in(store->live_entry(email_of(1), soon())).slot, 1);
}

TEST_P(StoreCommits, lets_a_key_be_registered_again_after_its_entry_is_deleted) {
  const Account account = stored(account_of(1));
  const Entry first = stored(entry_of(1, account, phone_of(1)));
  const Entry gone = removed(first);
  EXPECT_FALSE(value_of(store->live_entry(phone_of(1), soon())));
  EXPECT_EQ(found_in(store->entry(first.id, soon())), gone);
  const Entry second = stored(entry_of(2, account, phone_of(1)));
  EXPECT_GT(second.version, gone.version);
  EXPECT_EQ(found_in(store->live_entry(phone_of(1), soon())), second);
}

TEST_P(StoreCommits, refuses_to_bring_a_deleted_entry_back_where_its_key_is_taken) {
  const Account account = stored(account_of(1));
  const Entry first = stored(entry_of(1, account, phone_of(1)));
  const Entry gone = removed(first);
  stored(entry_of(2, account, phone_of(1)));
  must_be_stale(change_of("update", {put(gone, first)}));
}

TEST_P(StoreCommits, keeps_one_live_entry_a_slot) {
  const Account account = stored(account_of(1));
  const Entry first = stored(entry_of(1, account, phone_of(1), 4));
  must_be_stale(change_of("create_entry", {put(entry_of(2, account, phone_of(2), 4))}));
  EXPECT_EQ(value_of(store->slots_taken(account.id, soon())), 1u << 4);
  removed(first);
  EXPECT_EQ(value_of(store->slots_taken(account.id, soon())), 0u);
  stored(entry_of(3, account, phone_of(3), 4));
  stored(entry_of(4, account, phone_of(4), 0));
  EXPECT_EQ(value_of(store->slots_taken(account.id, soon())), (1u << 4) | 1u);
}

TEST_P(StoreCommits, keeps_one_live_claim_a_key) {
  const Entry entry = stored(entry_of(1, stored(account_of(1)), phone_of(1)));
  const Claim claim = stored(claim_of(1, entry, account_of(2, other_ispb)));
  must_be_stale(change_of("start_claim", {put(claim_of(2, entry, account_of(3, other_ispb)))}));
  EXPECT_EQ(found_in(store->live_claim(phone_of(1), soon())), claim);
  Claim cancelled = claim;
  cancelled.status = ClaimStatus::cancelled;
  replaced(claim, cancelled);
  EXPECT_FALSE(value_of(store->live_claim(phone_of(1), soon())));
  stored(claim_of(2, entry, account_of(3, other_ispb)));
}

TEST_P(StoreCommits, refuses_an_entry_whose_account_is_not_stored) {
  must_be_stale(change_of("create_entry", {put(entry_of(1, account_of(1), phone_of(1)))}));
}

TEST_P(StoreCommits, refuses_a_live_entry_on_a_closed_account) {
  Account closed = account_of(1);
  closed.status = AccountStatus::closed;
  const Account account = stored(closed);
  must_be_stale(change_of("create_entry", {put(entry_of(1, account, phone_of(1)))}));
}

TEST_P(StoreCommits, refuses_to_close_an_account_under_a_live_entry) {
  const Account account = stored(account_of(1));
  const Entry entry = stored(entry_of(1, account, phone_of(1)));
  Account closed = account;
  closed.status = AccountStatus::closed;
  must_be_stale(change_of("close_account", {put(account, closed)}));
  removed(entry);
  replaced(account, closed);
}

TEST_P(StoreCommits, keeps_what_a_request_id_was_used_for) {
  const Change change = registration_of(7);
  const std::uint64_t sequence = must(change);
  const StoredRequest request = found_in(store->request(our_ispb, change.request->id, soon()));
  EXPECT_EQ(request.id, change.request->id);
  EXPECT_EQ(request.body_hash, change.request->body_hash);
  EXPECT_EQ(request.operation, "create_entry");
  EXPECT_EQ(request.resource, uuid_of(7, 1));
  EXPECT_EQ(request.sequence, sequence);
}

TEST_P(StoreCommits, keeps_request_ids_unique_per_participant) {
  must(registration_of(1));
  Change again = registration_of(2);
  again.request->id = {uuid_of(1, 9)};
  must_be_stale(again);
  EXPECT_FALSE(value_of(store->account(account_of(2).id, soon())));
  again.ispb = other_ispb;
  must(again);
  EXPECT_EQ(found_in(store->request(our_ispb, {uuid_of(1, 9)}, soon())).resource, uuid_of(1, 1));
  EXPECT_EQ(found_in(store->request(other_ispb, {uuid_of(1, 9)}, soon())).resource, uuid_of(2, 1));
}

TEST_P(StoreCommits, moves_a_key_between_accounts_in_one_commit) {
  const Entry donor = stored(entry_of(1, stored(account_of(1)), phone_of(1)));
  const Account claimer = stored(account_of(2, other_ispb));
  Entry gone = donor;
  gone.status = EntryStatus::deleted;
  gone.deleted_at = day_one;
  const std::uint64_t sequence =
      must(change_of("complete_claim", {put(donor, gone), put(entry_of(2, claimer, phone_of(1)))}));
  const Entry now = found_in(store->live_entry(phone_of(1), soon()));
  EXPECT_EQ(now.ispb(), other_ispb);
  EXPECT_EQ(now.version, sequence);
  EXPECT_EQ(found_in(store->entry(donor.id, soon())).version, sequence);
}

TEST_P(StoreCommits, applies_nothing_where_the_last_write_fails) {
  const Account account = stored(account_of(1));
  const Entry entry = stored(entry_of(1, account, phone_of(1)));
  Entry gone = entry;
  gone.status = EntryStatus::deleted;
  Change change = change_of("complete_claim", {put(entry, gone), put(account_of(3)), put(account_of(1))});
  change.request = RequestUse{{uuid_of(30, 9)}, {}};
  must_be_stale(change);
  EXPECT_EQ(found_in(store->live_entry(phone_of(1), soon())), entry);
  EXPECT_FALSE(value_of(store->account(account_of(3).id, soon())));
  EXPECT_FALSE(value_of(store->request(our_ispb, {uuid_of(30, 9)}, soon())));
  EXPECT_EQ(value_of(store->slots_taken(account.id, soon())), 1u);
}

TEST_P(StoreCommits, answers_each_of_many_changes_by_itself) {
  std::vector<Change> changes;
  for (std::uint64_t n = 0; n < 50; ++n) changes.push_back(registration_of(n));
  changes[10] = registration_of(9);
  changes[20].writes.push_back(put(account_of(3)));
  changes[30].writes.clear();
  const auto answers = store->commit_all(changes, soon());
  ASSERT_EQ(answers.size(), changes.size());
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (i == 10 || i == 20) {
      ASSERT_FALSE(answers[i]);
      EXPECT_EQ(answers[i].error().reason, "Stale");
    } else if (i == 30) {
      ASSERT_FALSE(answers[i]);
      EXPECT_EQ(answers[i].error().code, Code::internal);
    } else {
      ASSERT_TRUE(answers[i]) << answers[i].error().message;
      EXPECT_GT(answers[i]->sequence, last);
      last = answers[i]->sequence;
    }
  }
  for (std::uint64_t n = 0; n < 50; ++n)
    EXPECT_EQ(value_of(store->live_entry(phone_of(n), soon())).has_value(), n != 10 && n != 20 && n != 30) << n;
}

TEST_P(StoreCommits, builds_later_changes_of_one_call_on_earlier_ones) {
  const Account account = stored(account_of(1));
  const std::vector<Change> changes = {change_of("create_entry", {put(entry_of(1, account, phone_of(1), 0))}),
                                       change_of("create_entry", {put(entry_of(2, account, phone_of(1), 1))}),
                                       change_of("create_entry", {put(entry_of(3, account, phone_of(2), 0))}),
                                       change_of("create_entry", {put(entry_of(4, account, phone_of(3), 1))})};
  const auto answers = store->commit_all(changes, soon());
  EXPECT_TRUE(answers[0]);
  EXPECT_FALSE(answers[1]);
  EXPECT_FALSE(answers[2]);
  EXPECT_TRUE(answers[3]);
}

TEST_P(StoreCommits, commits_thousands_in_one_call) {
  std::vector<Change> changes;
  for (std::uint64_t n = 0; n < 3000; ++n) changes.push_back(registration_of(n));
  for (const auto& answer : store->commit_all(changes, soon())) ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(value_of(store->statistics(our_ispb, soon())).accounts, 3000u);
}

TEST_P(StoreCommits, refuses_a_change_that_is_none) {
  EXPECT_EQ(store->commit(change_of("nothing", {}), soon()).error().code, Code::internal);
  const std::vector<Write> nine(9, put(account_of(1)));
  EXPECT_EQ(store->commit(change_of("too_much", nine), soon()).error().code, Code::internal);
  EXPECT_EQ(store->commit(change_of("other_id", {put(account_of(1), account_of(2))}), soon()).error().code,
            Code::internal);
}

TEST_P(StoreCommits, does_nothing_after_the_deadline) {
  const Deadline past = Deadline::in(Micros(-1));
  EXPECT_EQ(store->commit(registration_of(1), past).error().code, Code::deadline);
  const std::vector<Change> two = {registration_of(1), registration_of(2)};
  for (const auto& answer : store->commit_all(two, past)) EXPECT_EQ(answer.error().code, Code::deadline);
  EXPECT_EQ(store->live_entry(phone_of(1), past).error().code, Code::deadline);
  EXPECT_EQ(store->statistics(our_ispb, past).error().code, Code::deadline);
  EXPECT_EQ(store->erase_person("00000000001", {}, day_one, past).error().code, Code::deadline);
  EXPECT_EQ(store->purge(day_one, {}, day_one, past).error().code, Code::deadline);
  EXPECT_EQ(store->check(past).error().code, Code::deadline);
  EXPECT_FALSE(value_of(store->live_entry(phone_of(1), soon())));
}

TEST_P(StoreCommits, tells_its_hook_every_commit_in_order_before_the_answer) {
  std::vector<std::uint64_t> told;
  std::vector<std::string> operations;
  store->on_commit([&](std::uint64_t sequence, const Change& change) {
    told.push_back(sequence);
    operations.push_back(change.operation);
    std::visit([&](const auto& write) { EXPECT_EQ(write.after.version, sequence); }, change.writes.front());
  });
  const std::uint64_t first = must(registration_of(1));
  ASSERT_THAT(told, testing::ElementsAre(first));
  const std::vector<Change> more = {registration_of(2), registration_of(2), registration_of(3)};
  const auto answers = store->commit_all(more, soon());
  EXPECT_THAT(told, testing::ElementsAre(first, answers[0]->sequence, answers[2]->sequence));
  EXPECT_THAT(operations, testing::Each("create_entry"));
}

TEST_P(StoreCommits, many_committers_keep_a_key_unique) {
  constexpr std::size_t threads = 8;
  std::vector<Account> accounts;
  for (std::size_t t = 0; t < threads; ++t) accounts.push_back(stored(account_of(1000 + t)));
  std::vector<std::uint64_t> won(threads);
  std::mutex mutex;
  std::vector<std::uint64_t> sequences;
  std::vector<std::uint64_t> told;
  store->on_commit([&](std::uint64_t sequence, const Change&) { told.push_back(sequence); });
  std::vector<std::thread> committers;
  for (std::size_t t = 0; t < threads; ++t) {
    committers.emplace_back([&, t] {
      for (std::uint64_t n = 0; n < 40; ++n) {
        const Entry entry = entry_of(n * threads + t, accounts[t], phone_of(n), static_cast<std::uint8_t>(won[t] % 32));
        const auto answer = store->commit(change_of("create_entry", {put(entry)}), soon());
        if (!answer) {
          EXPECT_EQ(answer.error().reason, "Stale") << answer.error().message;
          continue;
        }
        ++won[t];
        const std::scoped_lock lock(mutex);
        sequences.push_back(answer->sequence);
      }
    });
  }
  for (std::thread& committer : committers) committer.join();
  std::uint64_t all = 0;
  for (const std::uint64_t wins : won) all += wins;
  EXPECT_LE(all, 40u);
  EXPECT_GE(all, 32u);  // a thread that won 32 keys has no slot left
  std::sort(sequences.begin(), sequences.end());
  EXPECT_EQ(told, sequences);
  EXPECT_EQ(std::adjacent_find(sequences.begin(), sequences.end()), sequences.end());
}

TEST_P(StoreCommits, many_committers_keep_a_slot_unique) {
  const Account account = stored(account_of(1));
  std::vector<std::thread> committers;
  Guarded<std::vector<Entry>> winners;
  for (std::uint64_t t = 0; t < 8; ++t) {
    committers.emplace_back([&, t] {
      for (std::uint8_t slot = 0; slot < 20; ++slot) {
        const Entry entry = entry_of(slot * 8 + t, account, phone_of(slot * 8 + t), slot);
        if (store->commit(change_of("create_entry", {put(entry)}), soon()))
          winners.with([&](auto& all) { all.push_back(entry); });
      }
    });
  }
  for (std::thread& committer : committers) committer.join();
  EXPECT_EQ(winners.lock()->size(), 20u);
  EXPECT_EQ(value_of(store->slots_taken(account.id, soon())), (1u << 20) - 1);
  const auto all = winners.lock();
  for (const Entry& entry : *all) EXPECT_TRUE(value_of(store->live_entry(entry.key, soon())));
}

TEST_P(StoreCommits, shows_a_commit_to_every_read_that_begins_after_its_answer) {
  std::vector<std::thread> callers;
  for (std::uint64_t t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      for (std::uint64_t n = t * 100; n < t * 100 + 30; ++n) {
        const auto answer = store->commit(registration_of(n), soon());
        ASSERT_TRUE(answer) << answer.error().message;
        const auto seen = store->live_entry(phone_of(n), soon());
        ASSERT_TRUE(seen && *seen) << n;
        EXPECT_EQ((*seen)->version, answer->sequence);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST_P(StoreCommits, finds_everything_again_when_opened_again) {
  if (!home->survives()) GTEST_SKIP() << "this store does not survive";
  const std::uint64_t before = must(registration_of(1));
  const Entry entry = found_in(store->live_entry(phone_of(1), soon()));
  store.reset();
  store = home->open();
  EXPECT_EQ(found_in(store->live_entry(phone_of(1), soon())), entry);
  EXPECT_GT(must(registration_of(2)), before);
  must_be_stale(registration_of(1));
}

TEST_P(StoreCommits, never_uses_a_sequence_twice_even_where_its_records_were_purged) {
  if (!home->survives()) GTEST_SKIP() << "this store does not survive";
  const std::uint64_t before = must(registration_of(1));
  Change later = registration_of(2);
  later.at = day_one + std::chrono::days(70);
  const std::uint64_t second = must(later);
  EXPECT_GT(second, before);
  value_of(store->purge(day_one + std::chrono::days(40), {}, later.at, soon()));
  store.reset();
  store = home->open();
  EXPECT_GT(must(registration_of(3)), second);
}

}  // namespace chaveiro::contract
