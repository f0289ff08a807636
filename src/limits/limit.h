// limits/limit.h
//
// One limit: so much, in so long a time, counted in one of seven ways. A Limit is what a person writes; Terms is the same made
// ready: the whole numbers that the arithmetic (arithmetic.h) uses.
//
// Every number that the arithmetic can meet stays below 2^53, so that a script which knows only doubles computes the same:
// a bucket is counted in units, tokens × µs reduced by their common divisor, and a limit whose capacity needs 2^52 units or more
// is refused.
//
// Threads: values.
// Errors:  invalid, naming the field.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "limits/zone.h"

namespace chaveiro::limits {

enum class Algorithm : std::uint8_t {
  token_bucket = 1,  // `burst` tokens at most, `amount` come back in each `period`, evenly
  gcra,              // the same decisions, kept as one theoretical arrival time
  sliding_log,       // at most `amount` in any `period`, exactly: every admission is remembered
  sliding_window,    // the same estimated from two counters, as if the window before had been used evenly
  fixed_window,      // at most `amount` between two multiples of `period`: twice that can pass around one of them
  calendar,          // at most `amount` in an hour, day, week, month or year of a time zone
  concurrency,       // at most `amount` at once; a holder that says nothing for `period` has lost its place
};
std::string_view to_string(Algorithm algorithm);
Result<Algorithm> parse_algorithm(std::string_view text);

// What happens to what was counted when a limit is changed while it runs.
enum class OnChange : std::uint8_t {
  as_is = 1,   // what remained remains, at most the new capacity
  proportion,  // half full stays half full
  additive,    // what remained, and the difference of the capacities
  reset,       // as new
};
std::string_view to_string(OnChange change);
Result<OnChange> parse_on_change(std::string_view text);

struct Limit {
  Algorithm algorithm = Algorithm::token_bucket;
  std::int64_t amount = 0;                         // 0: nothing passes
  Micros period = std::chrono::minutes{1};         // above zero; not used by calendar
  std::int64_t burst = 0;                          // token_bucket, gcra: capacity; 0: as `amount`
  CalendarUnit unit = CalendarUnit::day;           // calendar only
  std::shared_ptr<const Zone> zone = Zone::utc();  // calendar only; never null
};

// The numbers of a limit. `capacity` is in tokens; `price` units make a token, `rate` units come back in a µs.
struct Numbers {
  Algorithm algorithm = Algorithm::token_bucket;
  std::int64_t capacity = 0;
  std::int64_t period = 0;  // µs
  std::int64_t rate = 0;
  std::int64_t price = 1;
  bool operator==(const Numbers&) const = default;
};

// No number of the arithmetic passes this in either direction.
inline constexpr std::int64_t units_max = (std::int64_t{1} << 52) - 1;
inline constexpr std::int64_t log_amount_max = 10'000;  // of sliding_log and concurrency: each admission is remembered

// Errors: invalid: a negative amount, a period that is not positive or above ten years, a capacity that needs too many units, a log
// that would remember too much.
Result<Numbers> numbers_of(const Limit& limit);

// May nodes hold shares of a bucket (leased_store.h)?
enum class Lease : std::uint8_t { no = 1, yes };

// A limit made ready, under the name of the rule that it belongs to. Buckets point to it; a change makes a new one.
struct Terms : std::enable_shared_from_this<Terms> {
  std::string rule;
  Limit limit;
  Numbers numbers;
  OnChange on_change = OnChange::as_is;
  Lease lease = Lease::no;

  Terms(std::string its_rule, const Limit& its_limit, const Numbers& its_numbers, OnChange its_change, Lease its_lease)
      : rule(std::move(its_rule)), limit(its_limit), numbers(its_numbers), on_change(its_change), lease(its_lease) {}
};
Result<std::shared_ptr<const Terms>> make_terms(std::string rule, const Limit& limit,
                                                OnChange on_change = OnChange::as_is, Lease lease = Lease::no);

}  // namespace chaveiro::limits
