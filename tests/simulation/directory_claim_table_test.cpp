// Every state × step × side × type × reason, driven through the operations, against the published transitions as they
// stand in tests/data/claims-fsm.json.
#include <boost/json.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/simulation/directory_world.h"

namespace chaveiro::directory {
namespace {

constexpr ClaimStatus states[] = {ClaimStatus::open, ClaimStatus::waiting_resolution, ClaimStatus::confirmed,
                                  ClaimStatus::cancelled, ClaimStatus::completed};
constexpr Reason reasons[] = {Reason::user_requested,   Reason::account_closure, Reason::branch_transfer,
                              Reason::reconciliation,   Reason::fraud,           Reason::rfb_validation,
                              Reason::default_operation};

struct Transition {
  std::string operation;  // acknowledgeClaim confirmClaim cancelClaim completeClaim
  ClaimRole by;
  ClaimType type;
  ClaimStatus from;
  std::optional<Reason> reason;  // absent: the step has none
  auto operator<=>(const Transition&) const = default;
};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  std::istringstream in{std::string(text)};
  for (std::string part; std::getline(in, part, '|');) parts.push_back(part);
  return parts;
}

std::set<Transition> published() {
  std::ifstream in("tests/data/claims-fsm.json");
  std::stringstream text;
  text << in.rdbuf();
  std::set<Transition> all;
  const boost::json::value document = boost::json::parse(text.str());
  for (const auto& value : document.at("transitions").as_array()) {
    const auto& row = value.as_object();
    if (row.at("from_").is_null()) continue;  // createClaim
    const std::string type = row.at("type").as_string().c_str();
    for (const auto& from : split(row.at("from_").as_string())) {
      for (const auto one : {ClaimType::portability, ClaimType::ownership}) {
        if (type != "ANY" && type != to_string(one)) continue;
        Transition transition{row.at("operation").as_string().c_str(), *claim_role_of(row.at("by").as_string()), one,
                              *claim_status_of(from), std::nullopt};
        if (row.at("reasons").is_null()) {
          all.insert(transition);
          continue;
        }
        for (const auto& reason : row.at("reasons").as_array()) {
          transition.reason = reason_of(reason.as_string());
          all.insert(transition);
        }
      }
    }
  }
  return all;
}

// A claim in a state, with every period over.
struct Scene : World {
  Account donor = account(bank_a, natural(1));
  Account claimer;
  Entry held = phone(donor, 5);
  Claim claim;
  RequestId completed_with{uuid_v4()};

  Scene(ClaimType type, ClaimStatus status)
      : claimer(account(bank_b, natural(type == ClaimType::portability ? 1 : 2))), claim(World::claim(claimer, 5)) {
    if (status == ClaimStatus::cancelled) {
      claim = claims.cancel(staff(bank_b), claim.id, std::nullopt, Reason::fraud).value();
    } else if (status != ClaimStatus::open) {
      claim = claims.acknowledge(staff(bank_a), claim.id).value();
      if (status != ClaimStatus::waiting_resolution) {
        claim = claims.confirm(staff(bank_a), claim.id, Reason::user_requested).value();
      }
      if (status == ClaimStatus::completed) {
        claim = claims.complete(staff(bank_b), {claim.id, completed_with}).value();
      }
    }
    EXPECT_EQ(claim.status, status);
    clock.advance(720h);
  }

  Result<Claim> take(const Transition& step) {
    const Context context = staff(step.by == ClaimRole::donor ? bank_a : bank_b);
    if (step.operation == "acknowledgeClaim") return claims.acknowledge(context, claim.id);
    if (step.operation == "confirmClaim") return claims.confirm(context, claim.id, *step.reason);
    if (step.operation == "completeClaim") return claims.complete(context, {claim.id, {}});
    return claims.cancel(context, claim.id, std::nullopt, *step.reason);
  }

  // The step was taken before, with the same parameters: it is answered again.
  bool repeats(const Transition& step) const {
    if (step.operation == "acknowledgeClaim") {
      return step.by == ClaimRole::donor && claim.status == ClaimStatus::waiting_resolution;
    }
    if (step.operation == "confirmClaim") {
      return step.by == ClaimRole::donor && claim.status == ClaimStatus::confirmed &&
             step.reason == Reason::user_requested;
    }
    return step.operation == "cancelClaim" && step.by == ClaimRole::claimer && claim.status == ClaimStatus::cancelled &&
           step.reason == Reason::fraud;
  }

  void expect_entry_effect(const Transition& step) {
    const auto live = holder_of(5);
    const bool before_confirmed = step.from == ClaimStatus::open || step.from == ClaimStatus::waiting_resolution;
    if (step.operation == "acknowledgeClaim") {
      ASSERT_TRUE(live);
      EXPECT_EQ(live->open_claim->id, claim.id);
    } else if (step.operation == "completeClaim") {
      ASSERT_TRUE(live);
      EXPECT_EQ(live->account.id, claimer.id);
    } else if (step.operation == "cancelClaim" && before_confirmed) {
      ASSERT_TRUE(live);
      EXPECT_EQ(live->id, held.id);
      EXPECT_EQ(live->open_claim, std::nullopt);
    } else {
      EXPECT_EQ(live, std::nullopt);
      EXPECT_EQ(stored(held.id).status, EntryStatus::deleted);
    }
    const bool ended = step.operation == "cancelClaim" || step.operation == "completeClaim";
    EXPECT_EQ(store.live_claim(claim.key, Deadline::never()).value().has_value(), !ended);
  }
};

ClaimStatus target(const std::string& operation) {
  if (operation == "acknowledgeClaim") return ClaimStatus::waiting_resolution;
  if (operation == "confirmClaim") return ClaimStatus::confirmed;
  if (operation == "completeClaim") return ClaimStatus::completed;
  return ClaimStatus::cancelled;
}

// InvalidReason where this side may take the step from this state, and never with this reason; else
// ClaimOperationInvalid.
std::string documented_error(const std::set<Transition>& table, const Transition& step) {
  bool from_here = false;
  bool with_this_reason = false;
  for (const auto& known : table) {
    if (known.operation != step.operation || known.by != step.by || known.type != step.type) continue;
    from_here = from_here || known.from == step.from;
    with_this_reason = with_this_reason || known.reason == step.reason;
  }
  return from_here && !with_this_reason ? "InvalidReason" : "ClaimOperationInvalid";
}

void check(const std::set<Transition>& table, const Transition& step) {
  SCOPED_TRACE(::testing::Message() << step.operation << " by " << to_string(step.by) << " of " << to_string(step.type)
                                    << " in " << to_string(step.from) << " with "
                                    << (step.reason ? to_string(*step.reason) : "no reason"));
  Scene scene(step.type, step.from);
  const auto answer = scene.take(step);
  if (table.contains(step)) {
    ASSERT_TRUE(answer) << answer.error().reason;
    EXPECT_EQ(answer->status, target(step.operation));
    EXPECT_EQ(*answer, scene.claims.get(staff(bank_a), answer->id).value());
    scene.expect_entry_effect(step);
  } else if (scene.repeats(step)) {
    ASSERT_TRUE(answer) << answer.error().reason;
    EXPECT_EQ(*answer, scene.claim);
  } else {
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, documented_error(table, step));
    EXPECT_EQ(scene.claims.get(staff(bank_a), scene.claim.id).value(), scene.claim);
  }
}

TEST(ClaimTable, every_combination_does_what_is_published_and_nothing_else) {
  const auto table = published();
  ASSERT_GT(table.size(), 40u);
  int combinations = 0;
  for (const ClaimType type : {ClaimType::portability, ClaimType::ownership}) {
    for (const ClaimStatus from : states) {
      for (const ClaimRole by : {ClaimRole::donor, ClaimRole::claimer}) {
        for (const char* operation : {"acknowledgeClaim", "completeClaim"}) {
          check(table, {operation, by, type, from, std::nullopt});
          ++combinations;
        }
        for (const char* operation : {"confirmClaim", "cancelClaim"}) {
          for (const Reason reason : reasons) {
            check(table, {operation, by, type, from, reason});
            ++combinations;
          }
        }
      }
    }
  }
  EXPECT_EQ(combinations, 320);
}

}  // namespace
}  // namespace chaveiro::directory
