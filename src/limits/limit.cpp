#include "limits/limit.h"

#include <array>
#include <numeric>
#include <utility>

namespace chaveiro::limits {
namespace {

template <class Enum, std::size_t N>
using Names = std::array<std::pair<Enum, std::string_view>, N>;

constexpr Names<Algorithm, 7> algorithms{{{Algorithm::token_bucket, "token_bucket"},
                                          {Algorithm::gcra, "gcra"},
                                          {Algorithm::sliding_log, "sliding_log"},
                                          {Algorithm::sliding_window, "sliding_window"},
                                          {Algorithm::fixed_window, "fixed_window"},
                                          {Algorithm::calendar, "calendar"},
                                          {Algorithm::concurrency, "concurrency"}}};
constexpr Names<OnChange, 4> changes{{{OnChange::as_is, "as_is"},
                                      {OnChange::proportion, "proportion"},
                                      {OnChange::additive, "additive"},
                                      {OnChange::reset, "reset"}}};

template <class Enum, std::size_t N>
std::string_view name_of(const Names<Enum, N>& names, Enum value) {
  for (const auto& [known, name] : names)
    if (known == value) return name;
  return "";
}

template <class Enum, std::size_t N>
Result<Enum> parse(const Names<Enum, N>& names, std::string_view text) {
  std::string all;
  for (const auto& [value, name] : names) {
    if (name == text) return value;
    all += all.empty() ? "" : ", ";
    all += name;
  }
  return fail(Code::invalid, "BadRequest", "must be one of " + all);
}

constexpr std::int64_t period_max = std::int64_t{10} * 366 * 86'400 * 1'000'000;

bool is_bucket(Algorithm algorithm) { return algorithm == Algorithm::token_bucket || algorithm == Algorithm::gcra; }

}  // namespace

std::string_view to_string(Algorithm algorithm) { return name_of(algorithms, algorithm); }
Result<Algorithm> parse_algorithm(std::string_view text) { return parse(algorithms, text); }
std::string_view to_string(OnChange change) { return name_of(changes, change); }
Result<OnChange> parse_on_change(std::string_view text) { return parse(changes, text); }

Result<Numbers> numbers_of(const Limit& limit) {
  if (limit.amount < 0) return fail_field("amount", "must not be negative");
  if (limit.burst < 0) return fail_field("burst", "must not be negative");
  const std::int64_t period = limit.period.count();
  if (limit.algorithm != Algorithm::calendar && (period <= 0 || period > period_max))
    return fail_field("period", "must be above zero and at most ten years");
  Numbers numbers{.algorithm = limit.algorithm,
                  .capacity = limit.amount,
                  .period = limit.algorithm == Algorithm::calendar ? 1 : period};
  if (is_bucket(limit.algorithm)) {
    if (limit.amount == 0) {
      numbers.capacity = 0;
      return numbers;
    }
    if (limit.burst > 0) numbers.capacity = limit.burst;
    const std::int64_t divisor = std::gcd(limit.amount, period);
    numbers.rate = limit.amount / divisor;
    numbers.price = period / divisor;
    if (numbers.rate > units_max) return fail_field("amount", "is too large to count exactly");
  } else if (limit.algorithm == Algorithm::sliding_window) {
    numbers.price = period;  // the estimate is computed in count × µs
  }
  if (numbers.capacity > units_max / numbers.price)
    return fail_field(limit.burst > 0 ? "burst" : "amount",
                      "is too large for this period to be counted exactly (2^52 token·µs)");
  const bool remembers = limit.algorithm == Algorithm::sliding_log || limit.algorithm == Algorithm::concurrency;
  if (remembers && limit.amount > log_amount_max)
    return fail_field("amount", "must be at most 10000 where every admission is remembered");
  return numbers;
}

Result<std::shared_ptr<const Terms>> make_terms(std::string rule, const Limit& limit, OnChange on_change, Lease lease) {
  TRY(const Numbers numbers, numbers_of(limit));
  return std::make_shared<const Terms>(std::move(rule), limit, numbers, on_change, lease);
}

}  // namespace chaveiro::limits
