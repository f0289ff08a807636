// clients/redis/official_script.h
//
// The script of the official buckets (official_store.h): each step over all buckets of a call at once, with the arithmetic of
// limits/official_bucket.h number for number; and the bytes that it is told and answers.
//
// Lua hashes every byte of every string that it sees (1.7 ns each), and each command inside a script costs 0.4 to 0.7 µs: so a bucket is one
// short value of numbers, of which only what has changed is written (SETRANGE), and arguments come in one string.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clients/redis/script.h"
#include "limits/official_bucket.h"
#include "limits/official_store.h"

namespace chaveiro::redis {

const Script& official_script();
// The same for the steps that a reservation's id makes repeat-safe: sent again when their answer was lost.
const Script& repeatable_official_script();

enum class OfficialStep : std::uint8_t { reserve = 1, settle, hold, credit, correct, look };

// What the script is told of one bucket beside its terms.
//   reserve: a worst, b kept · settle: a cost, b credit, c floor, flags 1 empties, 2 has a floor · hold: a worst
//   correct: a tokens, b charged_then, flags the Correction
struct OfficialDetail {
  std::int64_t a = 0, b = 0, c = 0;
  std::uint8_t flags = 0;
};

// The second argument of the script; the first is the reservation.
class OfficialArgument {
 public:
  // `now`: the caller's time, µs; `fixed`: instead of the server's. `time`: how long it is held (reserve, hold; µs) or remembered for its
  // credit (settle; ms). `may_have_ended`: a hold that is not found is no surprise.
  OfficialArgument(OfficialStep step, std::int64_t now, std::optional<std::int64_t> fixed, std::size_t buckets,
                   std::int64_t time = 0, bool may_have_ended = false);
  void add(const limits::OfficialTerms& terms, OfficialDetail detail = {});
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// A reservation's id as the script knows it: its sixteen bytes, or those of its hash where it is no UUID.
std::string official_id(std::string_view reservation);
// Where it is noted that this reservation was settled: one key for all ids that were made within two seconds.
std::string settled_key(std::string_view prefix, std::string_view id);

// A bucket's value.
Result<limits::OfficialState> official_state(std::string_view value);

struct OfficialAnswer {
  std::uint8_t number = 0;  // reserve: 1; settle: was it settled before?
  std::vector<limits::OfficialView> views;
};
// Of a reservation that was admitted, and of settle.
Result<OfficialAnswer> official_answer(std::string_view reply);

// The parts of a charged look-up: the keys of its buckets.
Result<std::vector<std::string>> look_up_keys(std::string_view value);

}  // namespace chaveiro::redis
