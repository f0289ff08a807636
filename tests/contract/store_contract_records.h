// tests/contract/store_contract_records.h
//
// The sentences about the audit trail, erasure and retention. Included by store_contract.h.
//
// Threads: see there.
#pragma once

#include "tests/contract/store_contract.h"

namespace chaveiro::contract {

class StoreRecords : public StoreContract {
 protected:
  std::vector<AuditRecord> every_record() {
    std::vector<AuditRecord> all;
    EXPECT_TRUE(store->each_audit_record([&](const AuditRecord& record) { all.push_back(record); }, soon()));
    return all;
  }
  std::string opened(const AuditRecord& record, AuditSide side) {
    const auto key = found_in(store->seal_key(record.person, soon()));
    return value_of(unseal(key, side == AuditSide::before ? record.before : record.after, seal_context(record, side)));
  }
  // A person whose entry is deleted, whose account is closed and whose claim is over.
  struct Past {
    Account account;
    Entry entry;
    Claim claim;
  };
  Past past_of(std::uint64_t n, UtcTime at = day_one) {
    Past past{stored(account_of(n)), entry_of(n, account_of(n), phone_of(n)), Claim{{}, {}, {}, phone_of(n)}};
    past.entry = removed(stored(entry_of(n, past.account, phone_of(n))), at);
    Claim claim = claim_of(n, past.entry, past.account);
    claim.donor = other_ispb;
    claim.status = ClaimStatus::cancelled;
    claim.ended_at = at;
    past.claim = stored(claim);
    Account closed = past.account;
    closed.status = AccountStatus::closed;
    past.account = replaced(past.account, closed);
    return past;
  }
};

TEST_P(StoreRecords, every_write_leaves_a_record_that_says_who_when_and_what) {
  Change change = registration_of(1);
  change.at = day_one + std::chrono::hours(5);
  const std::uint64_t sequence = must(change);
  const auto all = every_record();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].resource_type, "account");
  EXPECT_EQ(all[0].resource, account_of(1).id.uuid);
  EXPECT_EQ(all[1].resource_type, "entry");
  EXPECT_EQ(all[1].resource, uuid_of(1, 1));
  for (const AuditRecord& record : all) {
    EXPECT_EQ(record.sequence, sequence);
    EXPECT_EQ(record.at, change.at);
    EXPECT_EQ(record.month, 202601u);
    EXPECT_EQ(record.ispb, our_ispb);
    EXPECT_EQ(record.actor, "somebody");
    EXPECT_EQ(record.correlation_id, "correlation-1");
    EXPECT_EQ(record.operation, "create_entry");
    EXPECT_EQ(record.person, person_of(installation_key(), account_of(1).holder.tax_id));
    EXPECT_TRUE(record.before.empty());
    EXPECT_FALSE(record.writer.empty());
  }
  EXPECT_EQ(all[0].number + 1, all[1].number);
}

TEST_P(StoreRecords, before_and_after_open_with_the_key_of_the_person) {
  const Entry entry = stored(entry_of(1, stored(account_of(1)), phone_of(1)));
  const Entry gone = removed(entry);
  const auto all = every_record();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(value_of(parse_entry_record(opened(all[2], AuditSide::before))), entry);
  EXPECT_EQ(value_of(parse_entry_record(opened(all[2], AuditSide::after))), gone);
  EXPECT_EQ(value_of(parse_account_record(opened(all[0], AuditSide::after))).version, entry.version - 1);
}

TEST_P(StoreRecords, nothing_personal_stands_in_a_record) {
  must(registration_of(1));
  for (const AuditRecord& record : every_record()) {
    const std::string all = record.writer + record.actor + record.operation + record.before + record.after;
    EXPECT_EQ(all.find("Pessoa"), std::string::npos);
    EXPECT_EQ(all.find(account_of(1).holder.tax_id), std::string::npos);
    EXPECT_EQ(all.find(phone_of(1).value()), std::string::npos);
  }
}

TEST_P(StoreRecords, one_person_has_one_key_and_others_have_others) {
  const Account first = stored(account_of(1));
  stored(entry_of(1, first, phone_of(1)));
  stored(account_of(2));
  const auto key = [&](std::uint64_t n) {
    return found_in(store->seal_key(person_of(installation_key(), account_of(n).holder.tax_id), soon()));
  };
  EXPECT_EQ(key(1), key(1));
  EXPECT_NE(key(1), key(2));
  EXPECT_FALSE(value_of(store->seal_key(person_of(installation_key(), "nobody"), soon())));
}

TEST_P(StoreRecords, a_refused_commit_leaves_no_record) {
  must(registration_of(1));
  must_be_stale(registration_of(1));
  EXPECT_EQ(every_record().size(), 2u);
}

TEST_P(StoreRecords, records_after_a_sequence_come_in_commit_order) {
  std::vector<std::uint64_t> sequences;
  for (std::uint64_t n = 0; n < 6; ++n) sequences.push_back(must(registration_of(n)));
  const auto after = value_of(store->audit_after(sequences[1], 5, soon()));
  ASSERT_EQ(after.size(), 5u);
  EXPECT_EQ(after[0].sequence, sequences[2]);
  EXPECT_EQ(after[1].sequence, sequences[2]);
  EXPECT_EQ(after[4].sequence, sequences[4]);
  EXPECT_EQ(value_of(store->audit_after(0, 100, soon())).size(), 12u);
  EXPECT_TRUE(value_of(store->audit_after(sequences.back(), 100, soon())).empty());
}

TEST_P(StoreRecords, each_month_has_a_chain_that_goes_on_from_the_last) {
  const auto commit_at = [&](std::uint64_t n, UtcTime at) {
    Change change = registration_of(n);
    change.at = at;
    must(change);
  };
  commit_at(1, day_one);
  commit_at(2, day_one + std::chrono::days(31));
  commit_at(3, day_one);  // a clock that went back does not open the old month again
  commit_at(4, day_one + std::chrono::days(90));
  const auto all = every_record();
  ASSERT_EQ(all.size(), 8u);
  const std::vector<Month> months = {202601, 202601, 202602, 202602, 202602, 202602, 202604, 202604};
  const std::vector<std::uint64_t> numbers = {1, 2, 1, 2, 3, 4, 1, 2};
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].month, months[i]) << i;
    EXPECT_EQ(all[i].number, numbers[i]) << i;
    if (i > 0) {
      EXPECT_EQ(all[i].previous, all[i - 1].hash) << i;
    }
  }
}

TEST_P(StoreRecords, the_list_for_people_is_newest_first_and_paged) {
  std::vector<Change> changes;
  for (std::uint64_t n = 0; n < 20; ++n) changes.push_back(registration_of(n));
  ASSERT_TRUE(store->commit_all(changes, soon()).back());
  std::vector<AuditRecord> listed;
  PageRequest page{7, {}};
  do {
    auto one = value_of(store->audit({.ispb = our_ispb}, page, soon()));
    EXPECT_EQ(one.total, 40u);
    for (AuditRecord& record : one.items) listed.push_back(std::move(record));
    page.after = one.next;
  } while (page.after && listed.size() < 100);
  auto all = every_record();
  ASSERT_EQ(listed.size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(listed[i].hash, all[all.size() - 1 - i].hash) << i;
}

TEST_P(StoreRecords, the_list_for_people_is_filtered) {
  Change mine = registration_of(1);
  mine.at = day_one + std::chrono::hours(1);
  must(mine);
  Change theirs = registration_of(2);
  theirs.ispb = other_ispb;
  must(theirs);
  Change late = change_of("block_entry", {put(account_of(3))}, day_one + std::chrono::hours(2));
  late.actor.subject = "judge";
  must(late);
  const auto count = [&](const AuditFilter& filter) {
    const auto page = value_of(store->audit(filter, {50, {}}, soon()));
    EXPECT_EQ(page.items.size(), page.total);
    return page.total;
  };
  EXPECT_EQ(count({.ispb = our_ispb}), 3u);
  EXPECT_EQ(count({.ispb = other_ispb}), 2u);
  EXPECT_EQ(count({.ispb = our_ispb, .resource = uuid_of(1, 1)}), 1u);
  EXPECT_EQ(count({.ispb = other_ispb, .resource = uuid_of(1, 1)}), 0u);
  EXPECT_EQ(count({.ispb = our_ispb, .actor = "judge"}), 1u);
  EXPECT_EQ(count({.ispb = our_ispb, .operation = "create_entry"}), 2u);
  EXPECT_EQ(count({.ispb = our_ispb, .from = late.at}), 1u);
  EXPECT_EQ(count({.ispb = our_ispb, .until = late.at}), 2u);
  EXPECT_EQ(count({.ispb = our_ispb, .from = mine.at, .until = mine.at}), 0u);
}

TEST_P(StoreRecords, a_note_stands_in_the_chain_and_counts_as_a_commit) {
  const std::uint64_t before = must(registration_of(1));
  ASSERT_TRUE(store->note({"set_log", "log", our_ispb, {"admin", "c"}, day_one, "level=debug"}, soon()));
  const AuditRecord last = every_record().back();
  EXPECT_EQ(last.operation, "set_log");
  EXPECT_EQ(last.resource_type, "log");
  EXPECT_EQ(last.after, "level=debug");
  EXPECT_EQ(last.person, Digest{});
  EXPECT_GT(last.sequence, before);
  EXPECT_GT(must(registration_of(2)), last.sequence);
  EXPECT_EQ(store->note({}, Deadline::in(Micros(-1))).error().code, Code::deadline);
}

TEST_P(StoreRecords, an_erased_person_is_nowhere_and_the_chain_holds) {
  const Past past = past_of(1);
  const Past other = past_of(2);
  const std::string tax_id = account_of(1).holder.tax_id;
  EXPECT_EQ(value_of(store->erase_person(tax_id, {"admin", "c"}, day_one, soon())), 3u);

  const Account account = found_in(store->account(past.account.id, soon()));
  EXPECT_EQ(account.holder.tax_id, "");
  EXPECT_EQ(account.holder.name, "");
  EXPECT_EQ(account.number, past.account.number);
  EXPECT_GT(account.version, past.account.version);
  const Entry entry = found_in(store->entry(past.entry.id, soon()));
  EXPECT_EQ(entry.owner(), account.holder);
  EXPECT_NE(entry.key, past.entry.key);
  EXPECT_EQ(entry.deleted_at, past.entry.deleted_at);
  const Claim claim = found_in(store->claim(past.claim.id, soon()));
  EXPECT_EQ(claim.claimer_account.holder, account.holder);
  EXPECT_NE(claim.key, past.claim.key);
  EXPECT_FALSE(value_of(store->seal_key(person_of(installation_key(), tax_id), soon())));

  EXPECT_EQ(found_in(store->entry(other.entry.id, soon())), other.entry);
  EXPECT_EQ(found_in(store->account(other.account.id, soon())), other.account);
  const auto last = every_record().back();
  EXPECT_EQ(last.operation, "erase_person");
  EXPECT_EQ(last.actor, "admin");
  EXPECT_EQ(last.person, person_of(installation_key(), tax_id));
}

TEST_P(StoreRecords, a_person_in_use_is_not_erased) {
  const auto refused = [&](std::uint64_t n) {
    const auto answer = store->erase_person(account_of(n).holder.tax_id, {}, day_one, soon());
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Code::conflict);
    EXPECT_EQ(answer.error().reason, "PersonInUse");
  };
  const Account open = stored(account_of(1));
  refused(1);
  stored(entry_of(1, open, phone_of(1)));
  refused(1);
  const Entry entry = found_in(store->entry({uuid_of(1, 1)}, soon()));
  stored(claim_of(2, entry, account_of(2, other_ispb)));
  refused(2);
  EXPECT_EQ(found_in(store->account(open.id, soon())), open);
}

TEST_P(StoreRecords, erasing_somebody_unknown_or_nobody_changes_nothing) {
  must(registration_of(1));
  EXPECT_EQ(value_of(store->erase_person("99999999999", {}, day_one, soon())), 0u);
  EXPECT_EQ(store->erase_person("", {}, day_one, soon()).error().code, Code::invalid);
  EXPECT_EQ(every_record().size(), 2u);
}

TEST_P(StoreRecords, an_erased_person_may_come_back) {
  past_of(1);
  value_of(store->erase_person(account_of(1).holder.tax_id, {}, day_one, soon()));
  Account again = account_of(7);
  again.holder = account_of(1).holder;
  stored(entry_of(77, stored(again), phone_of(1)));
  EXPECT_EQ(found_in(store->live_entry(phone_of(1), soon())).owner(), again.holder);
}

TEST_P(StoreRecords, a_purge_takes_what_ended_before_and_leaves_the_rest) {
  const UtcTime old = day_one, fresh = day_one + std::chrono::days(100);
  const Past first = past_of(1, old);
  const Past second = past_of(2, fresh);
  const Entry live = stored(entry_of(3, stored(account_of(3)), phone_of(3)));
  must(change_of("later", {put(account_of(4))}, fresh));
  const auto before = every_record();
  const auto january = static_cast<std::uint64_t>(
      std::count_if(before.begin(), before.end(), [](const AuditRecord& record) { return record.month == 202601; }));

  EXPECT_EQ(value_of(store->purge(day_one + std::chrono::days(50), {"admin", "c"}, fresh, soon())), january + 2);
  EXPECT_FALSE(value_of(store->entry(first.entry.id, soon())));
  EXPECT_FALSE(value_of(store->claim(first.claim.id, soon())));
  EXPECT_TRUE(value_of(store->account(first.account.id, soon())));
  EXPECT_EQ(found_in(store->entry(second.entry.id, soon())), second.entry);
  EXPECT_EQ(found_in(store->claim(second.claim.id, soon())), second.claim);
  EXPECT_EQ(found_in(store->entry(live.id, soon())), live);
  const auto after = every_record();
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[0].operation, "later");
  EXPECT_EQ(after[1].operation, "purge");
  EXPECT_EQ(after[1].actor, "admin");
}

TEST_P(StoreRecords, a_purge_keeps_the_month_that_is_being_written_and_part_months) {
  must(registration_of(1));
  EXPECT_EQ(value_of(store->purge(day_one + std::chrono::days(365), {}, day_one, soon())), 0u);
  must(change_of("later", {put(account_of(4))}, day_one + std::chrono::days(40)));
  EXPECT_EQ(value_of(store->purge(day_one + std::chrono::days(30), {}, day_one, soon())), 0u);
  EXPECT_EQ(every_record().size(), 3u);
}

TEST_P(StoreRecords, anchors_show_that_the_end_was_cut) {
  must(registration_of(1));
  must(registration_of(2));
  const auto all = every_record();
  ChainChecker whole("changes");
  for (const AuditRecord& record : all) whole.feed(record);
  ASSERT_EQ(whole.heads().size(), 1u);
  const Anchor anchor = sign_anchor(installation_key(), whole.heads()[0]);
  ChainChecker cut("changes");
  cut.expect(anchor);
  for (std::size_t i = 0; i + 1 < all.size(); ++i) cut.feed(all[i]);
  const auto faults = cut.finish();
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].kind, ChainFault::Kind::cut);
  EXPECT_EQ(faults[0].number, 4u);
}

}  // namespace chaveiro::contract
