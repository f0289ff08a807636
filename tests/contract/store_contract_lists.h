// tests/contract/store_contract_lists.h
//
// The sentences about lists: filters, pages, totals, participants kept apart. Included by store_contract.h.
//
// Threads: see there.
#pragma once

#include "tests/contract/store_contract.h"

namespace chaveiro::contract {

class StoreLists : public StoreContract {
 protected:
  // Turns pages until the end and answers all items.
  template <class List>
  auto all_pages(std::size_t limit, const List& list) {
    decltype(list(PageRequest{}).value().items) all;
    PageRequest request{limit, {}};
    for (int turns = 0; turns < 1000; ++turns) {
      auto page = value_of(list(request));
      EXPECT_LE(page.items.size(), limit);
      for (auto& item : page.items) all.push_back(std::move(item));
      if (!page.next) return all;
      EXPECT_EQ(page.items.size(), limit);
      request.after = page.next;
    }
    ADD_FAILURE() << "the pages do not end";
    return all;
  }
  std::vector<Entry> entries_by(const EntryFilter& filter, std::size_t limit = 7) {
    return all_pages(limit, [&](const PageRequest& page) { return store->entries(filter, page, soon()); });
  }
  std::vector<Claim> claims_by(const ClaimFilter& filter, std::size_t limit = 3) {
    return all_pages(limit, [&](const PageRequest& page) { return store->claims(filter, page, soon()); });
  }
  void store_registrations(std::uint64_t from, std::uint64_t until) {
    std::vector<Change> changes;
    for (std::uint64_t n = from; n < until; ++n) changes.push_back(registration_of(n));
    for (const auto& answer : store->commit_all(changes, soon())) ASSERT_TRUE(answer) << answer.error().message;
  }
};

TEST_P(StoreLists, pages_hold_every_entry_once_oldest_first) {
  store_registrations(0, 50);
  const auto all = entries_by({.ispb = our_ispb});
  ASSERT_EQ(all.size(), 50u);
  for (std::uint64_t n = 0; n < 50; ++n) EXPECT_EQ(all[n].key, phone_of(n));
}

TEST_P(StoreLists, pages_go_on_by_id_where_times_are_equal) {
  const Account account = stored(account_of(1));
  for (std::uint8_t slot = 0; slot < 20; ++slot) {
    Entry entry = entry_of(40 - slot, account, phone_of(slot), slot);
    entry.created_at = day_one;
    stored(entry);
  }
  const auto all = entries_by({.ispb = our_ispb}, 3);
  ASSERT_EQ(all.size(), 20u);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const Entry& a, const Entry& b) { return a.id < b.id; }));
}

TEST_P(StoreLists, a_page_that_ends_exactly_at_the_last_item_says_so) {
  store_registrations(0, 10);
  const auto page = value_of(store->entries({.ispb = our_ispb}, {10, {}}, soon()));
  EXPECT_EQ(page.items.size(), 10u);
  EXPECT_FALSE(page.next);
}

TEST_P(StoreLists, pages_go_on_where_they_stood_although_entries_come_and_go) {
  store_registrations(0, 10);
  const auto first = value_of(store->entries({.ispb = our_ispb}, {5, {}}, soon()));
  removed(first.items[4]);
  store_registrations(10, 12);
  const auto second = value_of(store->entries({.ispb = our_ispb}, {20, first.next}, soon()));
  ASSERT_EQ(second.items.size(), 7u);
  EXPECT_EQ(second.items.front().key, phone_of(5));
}

TEST_P(StoreLists, totals_are_exact_up_to_ten_thousand_and_zero_beyond) {
  store_registrations(0, 10'000);
  EXPECT_EQ(value_of(store->entries({.ispb = our_ispb}, {1, {}}, soon())).total, 10'000u);
  EXPECT_EQ(value_of(store->accounts({.ispb = our_ispb}, {1, {}}, soon())).total, 10'000u);
  store_registrations(10'000, 10'001);
  EXPECT_EQ(value_of(store->entries({.ispb = our_ispb}, {1, {}}, soon())).total, 0u);
  EXPECT_EQ(value_of(store->accounts({.ispb = our_ispb}, {1, {}}, soon())).total, 0u);
  EXPECT_EQ(value_of(store->audit({.ispb = our_ispb}, {1, {}}, soon())).total, 0u);
}

TEST_P(StoreLists, a_total_does_not_depend_on_the_page) {
  store_registrations(0, 30);
  const auto first = value_of(store->entries({.ispb = our_ispb}, {10, {}}, soon()));
  const auto second = value_of(store->entries({.ispb = our_ispb}, {10, first.next}, soon()));
  EXPECT_EQ(first.total, 30u);
  EXPECT_EQ(second.total, 30u);
}

TEST_P(StoreLists, page_sizes_out_of_range_are_refused) {
  for (const std::size_t limit : {std::size_t{0}, page_limit_max + 1}) {
    EXPECT_EQ(store->entries({.ispb = our_ispb}, {limit, {}}, soon()).error().code, Code::invalid);
    EXPECT_EQ(store->accounts({.ispb = our_ispb}, {limit, {}}, soon()).error().code, Code::invalid);
    EXPECT_EQ(store->claims({.ispb = our_ispb}, {limit, {}}, soon()).error().code, Code::invalid);
    EXPECT_EQ(store->audit({.ispb = our_ispb}, {limit, {}}, soon()).error().code, Code::invalid);
  }
}

TEST_P(StoreLists, entries_of_participants_are_kept_apart) {
  stored(entry_of(1, stored(account_of(1)), phone_of(1)));
  stored(entry_of(2, stored(account_of(2, other_ispb)), phone_of(2)));
  ASSERT_EQ(entries_by({.ispb = our_ispb}).size(), 1u);
  EXPECT_EQ(entries_by({.ispb = our_ispb})[0].key, phone_of(1));
  EXPECT_EQ(entries_by({.ispb = other_ispb})[0].key, phone_of(2));
  EXPECT_TRUE(entries_by({.ispb = ispb_of("00000000")}).empty());
  EXPECT_EQ(value_of(store->accounts({.ispb = other_ispb}, {20, {}}, soon())).items.size(), 1u);
}

TEST_P(StoreLists, entries_are_filtered_by_account_type_and_status) {
  const Account first = stored(account_of(1));
  const Account second = stored(account_of(2));
  stored(entry_of(1, first, phone_of(1), 0));
  stored(entry_of(2, first, email_of(2), 1));
  const Entry third = stored(entry_of(3, second, phone_of(3), 0));
  Entry blocked = entry_of(4, second, email_of(4), 1);
  blocked.status = EntryStatus::blocked;
  stored(blocked);
  removed(third);

  const auto ids = [&](EntryFilter filter) {
    std::vector<Uuid> found;
    for (const Entry& entry : entries_by(filter)) found.push_back(entry.id.uuid);
    return found;
  };
  using testing::ElementsAre;
  const auto u = [](std::uint64_t n) { return uuid_of(n, 1); };
  EXPECT_THAT(ids({.ispb = our_ispb}), ElementsAre(u(1), u(2), u(4)));
  EXPECT_THAT(ids({.ispb = our_ispb, .accounts = {{second.id}}}), ElementsAre(u(4)));
  EXPECT_THAT(ids({.ispb = our_ispb, .accounts = {{first.id, second.id, first.id}}}), ElementsAre(u(1), u(2), u(4)));
  EXPECT_THAT(ids({.ispb = our_ispb, .accounts = std::vector<AccountId>{}}), ElementsAre());
  EXPECT_THAT(ids({.ispb = our_ispb, .key_type = KeyType::email}), ElementsAre(u(2), u(4)));
  EXPECT_THAT(ids({.ispb = our_ispb, .status = EntryStatus::deleted}), ElementsAre(u(3)));
  EXPECT_THAT(ids({.ispb = our_ispb, .accounts = {{second.id}}, .status = EntryStatus::deleted}), ElementsAre(u(3)));
  EXPECT_THAT(ids({.ispb = our_ispb, .key_type = KeyType::email, .status = EntryStatus::blocked}), ElementsAre(u(4)));
}

TEST_P(StoreLists, accounts_are_filtered_by_id_and_holder) {
  const Account first = stored(account_of(1));
  Account twin = account_of(2);
  twin.holder.tax_id = first.holder.tax_id;
  stored(twin);
  stored(account_of(3));
  const auto found = [&](const AccountFilter& filter) {
    return value_of(store->accounts(filter, {20, {}}, soon())).items.size();
  };
  EXPECT_EQ(found({.ispb = our_ispb}), 3u);
  EXPECT_EQ(found({.ispb = our_ispb, .holder_tax_id = first.holder.tax_id}), 2u);
  EXPECT_EQ(found({.ispb = other_ispb, .holder_tax_id = first.holder.tax_id}), 0u);
  EXPECT_EQ(found({.ispb = our_ispb, .accounts = {{twin.id}}, .holder_tax_id = first.holder.tax_id}), 1u);
  EXPECT_EQ(found({.ispb = our_ispb, .accounts = std::vector<AccountId>{}}), 0u);
}

TEST_P(StoreLists, accounts_are_paged_like_entries) {
  store_registrations(0, 25);
  const auto all =
      all_pages(4, [&](const PageRequest& page) { return store->accounts({.ispb = our_ispb}, page, soon()); });
  ASSERT_EQ(all.size(), 25u);
  EXPECT_EQ(all.back().number, account_of(24).number);
}

TEST_P(StoreLists, claims_are_listed_by_side_account_and_status) {
  const Account ours = stored(account_of(1));
  const Account theirs = stored(account_of(2, other_ispb));
  std::vector<Claim> claims;
  for (std::uint8_t n = 0; n < 4; ++n)
    claims.push_back(stored(claim_of(n, stored(entry_of(n, ours, phone_of(n), n)), theirs)));
  claims.push_back(stored(claim_of(10, stored(entry_of(10, theirs, phone_of(10))), ours)));
  Claim cancelled = claims[0];
  cancelled.status = ClaimStatus::cancelled;
  replaced(claims[0], cancelled);

  EXPECT_EQ(claims_by({.ispb = our_ispb, .role = ClaimRole::donor}).size(), 4u);
  EXPECT_EQ(claims_by({.ispb = our_ispb, .role = ClaimRole::claimer}).size(), 1u);
  EXPECT_EQ(claims_by({.ispb = other_ispb, .role = ClaimRole::claimer}).size(), 4u);
  EXPECT_EQ(claims_by({.ispb = our_ispb, .role = ClaimRole::donor, .status = ClaimStatus::open}).size(), 3u);
  EXPECT_EQ(claims_by({.ispb = our_ispb, .role = ClaimRole::donor, .accounts = {{ours.id}}}).size(), 4u);
  EXPECT_EQ(claims_by({.ispb = our_ispb, .role = ClaimRole::donor, .accounts = {{theirs.id}}}).size(), 0u);
  EXPECT_EQ(claims_by({.ispb = our_ispb, .role = ClaimRole::claimer, .accounts = {{ours.id}}}).size(), 1u);
  EXPECT_EQ(claims_by({.ispb = our_ispb, .role = ClaimRole::claimer, .accounts = std::vector<AccountId>{}}).size(), 0u);
  EXPECT_EQ(claims_by({.ispb = our_ispb, .role = ClaimRole::donor})[3], claims[3]);
}

TEST_P(StoreLists, claims_past_a_period_are_those_of_which_one_clock_has_passed) {
  const Account ours = stored(account_of(1));
  const auto claim = [&](std::uint8_t n) {
    Claim made = claim_of(n, stored(entry_of(n, ours, phone_of(n), n)), account_of(50u + n, other_ispb));
    made.resolution_end = made.claimer_deadline = day_one + std::chrono::days(100);
    return made;
  };
  const UtcTime now = day_one + std::chrono::days(10);
  Claim resolution = claim(1), completion = claim(2), claimer = claim(3), none = claim(4), ended = claim(5);
  resolution.resolution_end = now;
  completion.completion_end = now - Micros(1);
  claimer.claimer_deadline = now;
  none.completion_end = now + Micros(1);
  ended.resolution_end = now;
  ended.status = ClaimStatus::cancelled;
  for (Claim* one : {&claimer, &resolution, &completion, &none, &ended}) *one = stored(*one);

  const auto past = value_of(store->claims_past_a_period(now, 10, soon()));
  EXPECT_THAT(past, testing::ElementsAre(resolution, completion, claimer));
  EXPECT_THAT(value_of(store->claims_past_a_period(now, 2, soon())), testing::ElementsAre(resolution, completion));
  EXPECT_TRUE(value_of(store->claims_past_a_period(now - std::chrono::days(1), 10, soon())).empty());
}

TEST_P(StoreLists, statistics_count_per_participant) {
  const Account ours = stored(account_of(1));
  const Account theirs = stored(account_of(2, other_ispb));
  stored(entry_of(1, ours, phone_of(1), 0));
  const Entry second = stored(entry_of(2, ours, phone_of(2), 1));
  removed(stored(entry_of(3, ours, phone_of(3), 2)));
  stored(entry_of(4, ours, email_of(4), 3));
  stored(claim_of(1, second, theirs));
  const Statistics statistics = value_of(store->statistics(our_ispb, soon()));
  const auto entries = [&](KeyType type, EntryStatus status) {
    for (const auto& row : statistics.entries)
      if (row.key_type == type && row.status == status) return row.count;
    return std::uint64_t{0};
  };
  EXPECT_EQ(entries(KeyType::phone, EntryStatus::active), 2u);
  EXPECT_EQ(entries(KeyType::phone, EntryStatus::deleted), 1u);
  EXPECT_EQ(entries(KeyType::email, EntryStatus::active), 1u);
  ASSERT_EQ(statistics.claims.size(), 1u);
  EXPECT_EQ(statistics.claims[0].count, 1u);
  EXPECT_EQ(statistics.accounts, 1u);
  EXPECT_EQ(statistics.audit_records, 8u);
  const Statistics other = value_of(store->statistics(other_ispb, soon()));
  EXPECT_TRUE(other.entries.empty());
  EXPECT_EQ(other.claims.size(), 1u) << "the claimer sees its claim";
  EXPECT_EQ(other.accounts, 1u);
}

}  // namespace chaveiro::contract
