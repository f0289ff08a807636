#include "directory/claim.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace chaveiro::directory {
namespace {

using namespace std::chrono_literals;
using enum ClaimStatus;
using Type = ClaimType;
using Role = ClaimRole;
using R = Reason;

constexpr Micros tick{1};
const UtcTime start{1'767'225'600s};
const UtcTime day7 = start + 168h;
const UtcTime day14 = start + 336h;
const UtcTime day30 = start + 720h;
const ClaimPeriods periods;
const RequestId request{uuid_v5(Uuid{}, "request")};
const EntryId new_entry{uuid_v5(Uuid{}, "new entry")};

constexpr Type all_types[] = {Type::portability, Type::ownership};
constexpr ClaimStatus all_states[] = {open, waiting_resolution, confirmed, cancelled, completed};
constexpr Reason all_reasons[] = {R::user_requested, R::account_closure, R::branch_transfer,  R::reconciliation,
                                  R::fraud,          R::rfb_validation,  R::default_operation};

Person person(std::string tax_id) { return {PersonType::natural, std::move(tax_id), "Ana", std::nullopt}; }

Account account(std::string_view ispb, std::string tax_id) {
  return {.id = AccountId{uuid_v5(Uuid{}, ispb)},
          .ispb = *Ispb::parse(ispb),
          .number = "1",
          .holder = person(std::move(tax_id))};
}

Entry entry(KeyType type = KeyType::phone, std::string_view key = "+5561988880000") {
  return {.id = EntryId{uuid_v5(Uuid{}, "entry")},
          .key = *Key::parse(type, key, {.check_digits = false}),
          .account = account("11111111", "11122233396"),
          .status = EntryStatus::active,
          .created_at = start - 100h,
          .owned_since = start - 1000h};
}

OpenClaimRequest by(std::string_view ispb, std::string tax_id, std::optional<Type> type = std::nullopt) {
  return {ClaimId{uuid_v5(Uuid{}, "claim")}, type, account(ispb, std::move(tax_id))};
}

// A claim of that type in that state, as if it had come there on `start`.
Claim claim_in(Type type, ClaimStatus status) {
  const bool same_owner = type == Type::portability;
  Claim claim = open_claim(entry(), by("22222222", same_owner ? "11122233396" : "12345678909"), periods, start)->claim;
  claim.status = status;
  if (status == confirmed) claim.confirm_reason = R::user_requested;
  return claim;
}

std::string reason_of_error(const Result<ClaimStep>& result) { return result ? "" : result.error().reason; }

// The transitions of the official machine as they are published: cancelClaim and confirmClaim of 2.6.1, and for the
// claimer of an ownership the reasons of 1.8.0.
struct Cancel {
  Type type;
  Role by;
  ClaimStatus from;
  std::vector<Reason> reasons;
  EntryEffect effect;
};
const std::vector<Cancel> cancels{
    {Type::portability,
     Role::claimer,
     open,
     {R::user_requested, R::account_closure, R::fraud, R::reconciliation, R::rfb_validation},
     EntryEffect::unlock},
    {Type::portability,
     Role::claimer,
     waiting_resolution,
     {R::user_requested, R::account_closure, R::fraud, R::rfb_validation},
     EntryEffect::unlock},
    {Type::portability, Role::claimer, confirmed, {R::fraud, R::reconciliation, R::rfb_validation}, EntryEffect::none},
    {Type::portability, Role::donor, open, {R::user_requested, R::default_operation, R::fraud}, EntryEffect::unlock},
    {Type::portability,
     Role::donor,
     waiting_resolution,
     {R::user_requested, R::default_operation, R::fraud},
     EntryEffect::unlock},
    {Type::ownership, Role::donor, open, {R::fraud}, EntryEffect::unlock},
    {Type::ownership, Role::donor, waiting_resolution, {R::fraud}, EntryEffect::unlock},
    {Type::ownership, Role::donor, confirmed, {R::fraud}, EntryEffect::none},
    {Type::ownership,
     Role::claimer,
     open,
     {R::user_requested, R::account_closure, R::fraud, R::default_operation},
     EntryEffect::unlock},
    {Type::ownership,
     Role::claimer,
     waiting_resolution,
     {R::user_requested, R::account_closure, R::fraud, R::default_operation},
     EntryEffect::unlock},
    {Type::ownership,
     Role::claimer,
     confirmed,
     {R::user_requested, R::account_closure, R::fraud, R::default_operation},
     EntryEffect::none},
};

const Cancel* published_cancel(Type type, Role by, ClaimStatus from, Reason reason) {
  for (const auto& row : cancels) {
    if (row.type != type || row.by != by || row.from != from) continue;
    return std::find(row.reasons.begin(), row.reasons.end(), reason) != row.reasons.end() ? &row : nullptr;
  }
  return nullptr;
}

bool cancels_somewhere(Type type, Role by, Reason reason) {
  return std::any_of(std::begin(all_states), std::end(all_states),
                     [&](ClaimStatus from) { return published_cancel(type, by, from, reason) != nullptr; });
}

bool cancels_with_anything(Type type, Role by, ClaimStatus from) {
  return std::any_of(std::begin(all_reasons), std::end(all_reasons),
                     [&](Reason reason) { return published_cancel(type, by, from, reason) != nullptr; });
}

TEST(ClaimMachine, cancels_exactly_as_published) {
  for (const Type type : all_types) {
    for (const Role role : {Role::donor, Role::claimer}) {
      for (const ClaimStatus from : all_states) {
        for (const Reason reason : all_reasons) {
          SCOPED_TRACE(::testing::Message() << to_string(type) << " " << to_string(role) << " " << to_string(from)
                                            << " " << to_string(reason));
          const auto step = cancel(claim_in(type, from), role, reason, day30);
          if (const Cancel* row = published_cancel(type, role, from, reason)) {
            ASSERT_TRUE(step) << step.error().reason;
            EXPECT_EQ(step->claim.status, cancelled);
            EXPECT_EQ(step->claim.cancelled_by, role);
            EXPECT_EQ(step->claim.cancel_reason, reason);
            EXPECT_EQ(step->claim.ended_at, day30);
            EXPECT_EQ(step->effect, row->effect);
          } else if (!cancels_with_anything(type, role, from) || cancels_somewhere(type, role, reason)) {
            EXPECT_EQ(reason_of_error(step), "ClaimOperationInvalid");
          } else {
            EXPECT_EQ(reason_of_error(step), "InvalidReason");
          }
        }
      }
    }
  }
}

TEST(ClaimMachine, is_acknowledged_only_while_open) {
  for (const Type type : all_types) {
    for (const ClaimStatus from : all_states) {
      const auto step = acknowledge(claim_in(type, from), start);
      if (from == open) {
        ASSERT_TRUE(step);
        EXPECT_EQ(step->claim.status, waiting_resolution);
        EXPECT_EQ(step->effect, EntryEffect::none);
      } else {
        EXPECT_EQ(reason_of_error(step), "ClaimOperationInvalid");
      }
    }
  }
}

TEST(ClaimMachine, confirms_exactly_as_published) {
  for (const Type type : all_types) {
    for (const ClaimStatus from : all_states) {
      for (const Reason reason : all_reasons) {
        SCOPED_TRACE(::testing::Message() << to_string(type) << " " << to_string(from) << " " << to_string(reason));
        const auto step = confirm(claim_in(type, from), reason, day7);
        const bool listed = reason == R::user_requested ||
                            reason == (type == Type::portability ? R::account_closure : R::default_operation);
        if (from != waiting_resolution) {
          EXPECT_EQ(reason_of_error(step), "ClaimOperationInvalid");
        } else if (!listed) {
          EXPECT_EQ(reason_of_error(step), "InvalidReason");
        } else {
          ASSERT_TRUE(step);
          EXPECT_EQ(step->claim.status, confirmed);
          EXPECT_EQ(step->claim.confirm_reason, reason);
          EXPECT_EQ(step->effect, EntryEffect::remove);
        }
      }
    }
  }
}

TEST(ClaimMachine, completes_only_when_confirmed) {
  for (const Type type : all_types) {
    for (const ClaimStatus from : all_states) {
      const auto step = complete(claim_in(type, from), request, new_entry, day14);
      if (from == confirmed) {
        ASSERT_TRUE(step);
        EXPECT_EQ(step->claim.status, completed);
        EXPECT_EQ(step->claim.completed_entry, new_entry);
        EXPECT_EQ(step->claim.ended_at, day14);
        EXPECT_EQ(step->effect, EntryEffect::add);
      } else {
        EXPECT_EQ(reason_of_error(step), "ClaimOperationInvalid");
      }
    }
  }
}

TEST(ClaimClocks, resolution_ends_168_hours_after_creation_to_the_microsecond) {
  const Claim ownership = claim_in(Type::ownership, waiting_resolution);
  EXPECT_EQ(reason_of_error(confirm(ownership, R::default_operation, day7 - tick)), "ClaimResolutionPeriodNotEnded");
  EXPECT_TRUE(confirm(ownership, R::default_operation, day7));
  for (const ClaimStatus from : {open, waiting_resolution}) {
    const Claim portability = claim_in(Type::portability, from);
    EXPECT_EQ(reason_of_error(cancel(portability, Role::donor, R::default_operation, day7 - tick)),
              "ClaimResolutionPeriodNotEnded");
    EXPECT_TRUE(cancel(portability, Role::donor, R::default_operation, day7));
  }
}

TEST(ClaimClocks, an_ownership_completes_336_hours_after_creation_to_the_microsecond) {
  const Claim waiting = claim_in(Type::ownership, waiting_resolution);
  const Claim by_default = confirm(waiting, R::default_operation, day7)->claim;
  EXPECT_EQ(reason_of_error(complete(by_default, request, new_entry, day14 - tick)), "ClaimCompletionPeriodNotEnded");
  EXPECT_TRUE(complete(by_default, request, new_entry, day14));
}

TEST(ClaimClocks, the_donors_own_yes_pulls_the_completion_forward) {
  const UtcTime day2 = start + 48h;
  const Claim agreed = confirm(claim_in(Type::ownership, waiting_resolution), R::user_requested, day2)->claim;
  EXPECT_EQ(agreed.completion_end, day2);
  EXPECT_TRUE(complete(agreed, request, new_entry, day2));
  // Never back: a late yes does not lengthen a period that has ended.
  const Claim late = confirm(claim_in(Type::ownership, waiting_resolution), R::user_requested, day30)->claim;
  EXPECT_EQ(late.completion_end, day14);
}

TEST(ClaimClocks, the_claimers_deadline_is_720_hours_after_creation_to_the_microsecond) {
  for (const ClaimStatus from : {open, waiting_resolution, confirmed}) {
    const Claim claim = claim_in(Type::ownership, from);
    EXPECT_EQ(reason_of_error(cancel(claim, Role::claimer, R::default_operation, day30 - tick)),
              "ClaimCompletionPeriodNotEnded");
    EXPECT_TRUE(cancel(claim, Role::claimer, R::default_operation, day30));
  }
}

TEST(ClaimClocks, a_portability_has_no_completion_period) {
  EXPECT_EQ(claim_in(Type::portability, open).completion_end, std::nullopt);
  EXPECT_TRUE(complete(claim_in(Type::portability, confirmed), request, new_entry, start));
}

TEST(OpenClaim, tells_its_type_from_the_owners) {
  EXPECT_EQ(open_claim(entry(), by("22222222", "11122233396"), periods, start)->claim.type, Type::portability);
  EXPECT_EQ(open_claim(entry(), by("22222222", "12345678909"), periods, start)->claim.type, Type::ownership);
}

TEST(OpenClaim, carries_what_the_later_steps_need) {
  const auto step = open_claim(entry(), by("22222222", "12345678909"), periods, start);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->effect, EntryEffect::lock);
  EXPECT_EQ(step->claim.status, open);
  EXPECT_EQ(to_string(step->claim.donor), "11111111");
  EXPECT_EQ(to_string(step->claim.claimer()), "22222222");
  EXPECT_EQ(step->claim.donor_entry, entry().id);
  EXPECT_EQ(step->claim.donor_owned_since, entry().owned_since);
  EXPECT_EQ(step->claim.resolution_end, day7);
  EXPECT_EQ(step->claim.completion_end, day14);
  EXPECT_EQ(step->claim.claimer_deadline, day30);
}

TEST(OpenClaim, takes_only_the_key_types_of_the_official_table) {
  const Entry cpf = entry(KeyType::cpf, "11122233396");
  const Entry email = entry(KeyType::email, "a@b");
  const Entry evp = entry(KeyType::evp, "123e4567-e89b-12d3-a456-426655440000");
  Entry cnpj = entry(KeyType::cnpj, "11222333000181");
  for (const Entry& held : {cpf, cnpj, email, entry()}) {
    EXPECT_TRUE(open_claim(held, by("22222222", "11122233396"), periods, start)) << to_string(held.key.type());
  }
  for (const Entry& held : {cpf, cnpj, email, evp}) {
    EXPECT_EQ(reason_of_error(open_claim(held, by("22222222", "12345678909"), periods, start)), "ClaimInvalid");
  }
  EXPECT_EQ(reason_of_error(open_claim(evp, by("22222222", "11122233396"), periods, start)), "ClaimInvalid");
}

TEST(OpenClaim, refuses_a_type_that_the_owners_contradict) {
  EXPECT_EQ(reason_of_error(open_claim(entry(), by("22222222", "12345678909", Type::portability), periods, start)),
            "ClaimTypeInconsistent");
  EXPECT_EQ(reason_of_error(open_claim(entry(), by("22222222", "11122233396", Type::ownership), periods, start)),
            "ClaimTypeInconsistent");
}

TEST(OpenClaim, ownership_may_stay_at_one_participant_and_portability_may_not) {
  EXPECT_TRUE(open_claim(entry(), by("11111111", "12345678909"), periods, start));
  EXPECT_EQ(reason_of_error(open_claim(entry(), by("11111111", "11122233396"), periods, start)),
            "ClaimResultingEntryAlreadyExists");
}

TEST(OpenClaim, refuses_blocked_unregistered_and_claimed_entries) {
  Entry held = entry();
  held.status = EntryStatus::blocked;
  EXPECT_EQ(reason_of_error(open_claim(held, by("22222222", "11122233396"), periods, start)), "EntryBlocked");
  held.status = EntryStatus::pending;
  EXPECT_EQ(reason_of_error(open_claim(held, by("22222222", "11122233396"), periods, start)), "ClaimKeyNotFound");
  held = entry();
  held.open_claim = OpenClaim{};
  EXPECT_EQ(reason_of_error(open_claim(held, by("22222222", "11122233396"), periods, start)),
            "ClaimAlreadyExistsForKey");
}

TEST(Repetition, is_known_by_the_same_parameters_only) {
  EXPECT_TRUE(repeats_acknowledge(claim_in(Type::ownership, waiting_resolution)));
  EXPECT_FALSE(repeats_acknowledge(claim_in(Type::ownership, confirmed)));
  const Claim agreed = claim_in(Type::ownership, confirmed);
  EXPECT_TRUE(repeats_confirm(agreed, R::user_requested));
  EXPECT_FALSE(repeats_confirm(agreed, R::default_operation));
  const Claim gone = cancel(claim_in(Type::portability, open), Role::donor, R::fraud, start)->claim;
  EXPECT_TRUE(repeats_cancel(gone, Role::donor, R::fraud));
  EXPECT_FALSE(repeats_cancel(gone, Role::claimer, R::fraud));
  EXPECT_FALSE(repeats_cancel(gone, Role::donor, R::user_requested));
  const Claim done = complete(claim_in(Type::portability, confirmed), request, new_entry, start)->claim;
  EXPECT_TRUE(repeats_complete(done, request));
  EXPECT_FALSE(repeats_complete(done, RequestId{}));
}

TEST(Due, the_donor_acts_from_the_end_of_the_resolution_on) {
  for (const Type type : all_types) {
    const Claim fresh = claim_in(type, open);
    EXPECT_EQ(due(fresh, true, false, day7 - tick), std::nullopt);
    EXPECT_EQ(due(fresh, true, false, day7), DueAction::acknowledge_donor);
    EXPECT_EQ(due(fresh, false, false, day30), std::nullopt);
    EXPECT_EQ(due(claim_in(type, waiting_resolution), true, false, day7 - tick), std::nullopt);
    EXPECT_EQ(due(claim_in(type, confirmed), true, false, day30), std::nullopt);
  }
  EXPECT_EQ(due(claim_in(Type::portability, waiting_resolution), true, false, day7), DueAction::cancel_donor);
  EXPECT_EQ(due(claim_in(Type::ownership, waiting_resolution), true, false, day7), DueAction::confirm_donor);
}

TEST(Due, the_claimer_of_an_ownership_acts_at_day_30_and_before_the_donor) {
  for (const ClaimStatus status : {open, waiting_resolution, confirmed}) {
    EXPECT_EQ(due(claim_in(Type::ownership, status), false, true, day30 - tick), std::nullopt);
    EXPECT_EQ(due(claim_in(Type::ownership, status), false, true, day30), DueAction::cancel_claimer);
    EXPECT_EQ(due(claim_in(Type::ownership, status), true, true, day30), DueAction::cancel_claimer);
    EXPECT_EQ(due(claim_in(Type::portability, status), false, true, day30 + 1000h), std::nullopt);
  }
}

TEST(Due, what_it_names_is_always_allowed) {
  for (const Type type : all_types) {
    for (const ClaimStatus status : all_states) {
      for (const UtcTime now : {start, day7, day14, day30}) {
        const Claim claim = claim_in(type, status);
        const auto action = due(claim, true, true, now);
        if (!action) continue;
        switch (*action) {
          case DueAction::acknowledge_donor:
            EXPECT_TRUE(acknowledge(claim, now));
            break;
          case DueAction::confirm_donor:
            EXPECT_TRUE(confirm(claim, R::default_operation, now));
            break;
          case DueAction::cancel_donor:
            EXPECT_TRUE(cancel(claim, Role::donor, R::default_operation, now));
            break;
          case DueAction::cancel_claimer:
            EXPECT_TRUE(cancel(claim, Role::claimer, R::default_operation, now));
            break;
        }
      }
    }
  }
}

TEST(Due, next_due_is_the_moment_from_which_something_is_due) {
  for (const Type type : all_types) {
    for (const ClaimStatus status : all_states) {
      for (const bool donor : {false, true}) {
        for (const bool claimer : {false, true}) {
          const Claim claim = claim_in(type, status);
          const auto next = next_due(claim, donor, claimer);
          if (next) {
            EXPECT_EQ(due(claim, donor, claimer, *next - tick), std::nullopt);
            EXPECT_NE(due(claim, donor, claimer, *next), std::nullopt);
          } else {
            EXPECT_EQ(due(claim, donor, claimer, day30 + 10'000h), std::nullopt);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace chaveiro::directory
