// limits/policies.h
//
// The regulator's table of policies: which policy a call falls under, how its bucket is made, what an answer costs.
//
// Threads: constants and pure functions.
// Source:  API 2.6.1 and 2.12.1, rate limit policies; Manual Operacional do DICT 8, section 13.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "limits/official_bucket.h"

namespace chaveiro::limits {

enum class Category : std::uint8_t { a, b, c, d, e, f, g, h };
Result<Category> parse_category(std::string_view text);  // "A" … "H"
char to_char(Category category);

enum class ApiVersion : std::uint8_t { v2_6_1 = 1, v2_12_1 };

enum class PolicyScope : std::uint8_t {
  user = 1,     // one bucket for each payer
  participant,  // one for each participant
};

// How a policy's answers are charged.
enum class CostRule : std::uint8_t {
  user_look_up = 1,     // 200: 1, 404: 20, a payment order gives back
  participant_look_up,  // 200: 1, 404: 3, a payment order gives back
  but_500,              // every status but 500: 1
};

struct Policy {
  std::string_view name;
  PolicyScope scope;
  std::span<const std::string_view> operations;
  CostRule cost;
  std::int64_t refill;  // tokens a period; 0: by payer or by category
  std::int64_t period_s;
  std::int64_t capacity;  // 0: by payer or by category
  ApiVersion since = ApiVersion::v2_6_1;
};

std::span<const Policy> all_policies();
const Policy* find_policy(std::string_view name);

// What is known of a call before it is made.
struct PolicyCall {
  std::string_view operation;  // as the API names it: getEntry, listClaims, …
  std::string_view key_type;   // getEntry: CPF CNPJ PHONE EMAIL EVP
  bool with_role = false;      // lists: the donor or claimer filter is set
};
// The policies that the call falls under, user before participant; none for an operation without one.
std::vector<const Policy*> policies_of(const PolicyCall& call, ApiVersion version);

// What the documents leave open. The defaults are the strictest reading.
struct SilentPoints {
  Refill refill = Refill::whole_periods;
  std::int64_t other_status =
      1;  // what a look-up costs that is answered neither 200 nor 404 (400, 403, 429, 5xx); 0: nothing
  bool limited_costs = true;          // does a 429 cost as any other answer? false: nothing
  std::optional<std::int64_t> floor;  // a balance never falls below this; nothing: no floor
  bool payer_over_all = true;  // one bucket for a payer, through whichever participant; false: one for each of them
};

// A payer is a natural person when its id has 11 digits, a legal one with 14.
enum class Payer : std::uint8_t { natural = 1, legal };
Result<Payer> payer_kind(std::string_view payer_id);

OfficialTerms terms_of(const Policy& policy, Payer payer, Category category, Refill how);
// What an answer with this status costs.
std::int64_t cost_of(const Policy& policy, int status, const SilentPoints& silent);
// The most that any answer can cost.
std::int64_t worst_cost(const Policy& policy);
// What a payment order gives back.
std::int64_t credit_of(const Policy& policy, Payer payer);

}  // namespace chaveiro::limits
