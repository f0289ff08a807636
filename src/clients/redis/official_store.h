// clients/redis/official_store.h
//
// The official buckets in Redis: each step of limits/official_store.h is one atomic script over all buckets of a call, with the arithmetic
// of limits/official_bucket.h number for number. Time is the server's; where it differs from the caller's by more than 2 s the smaller
// counts, and a bucket's time never goes back. A bucket's key expires when it is certainly full again.
//
// A bucket carries its holds with it, so that reserving needs no key besides. A settle whose hold is gone says `repeated` where it was
// settled (remembered for ten minutes) or where its time-out has passed, which the id itself tells (UUID of version 7), and
// ReservationUnknown otherwise.
//
// Threads: any number at once.
// Errors:  those of the client; ReservationUnknown, LookupUnknown.
#pragma once

#include <optional>
#include <string>

#include "base/guarded.h"
#include "clients/redis/client.h"
#include "clients/redis/official_script.h"
#include "limits/official_store.h"

namespace chaveiro::redis {

struct OfficialStoreOptions {
  std::string prefix = "{policies}:";  // of every key; the hash tag keeps all buckets of a call together
  Micros look_up_time{std::int64_t{7} * 86'400'000'000};
  std::optional<std::int64_t> time_for_tests{};  // µs; instead of the server's
};

class OfficialStore final : public limits::OfficialStore {
 public:
  OfficialStore(OfficialStoreOptions options, Client& client, const Clock& clock);

  Result<limits::OfficialVerdict> reserve(const std::string& id, const std::vector<limits::OfficialAsk>& asks,
                                          Micros timeout, Deadline deadline) override;
  Result<limits::OfficialSettled> settle(const std::string& id, const std::vector<limits::OfficialAsk>& asks,
                                         const std::vector<limits::OfficialCharge>& charges,
                                         const std::string& end_to_end, Deadline deadline) override;
  // A reservation that the server may have forgotten (official_reapply.h): holds its worst cases for `time`, whether there is room or
  // not, where neither its holds nor its settling are known.
  Result<void> hold_again(const std::string& id, const std::vector<limits::OfficialAsk>& asks, Micros time,
                          Deadline deadline);
  Result<bool> credit(const std::string& end_to_end, Deadline deadline) override;
  Result<limits::OfficialView> look(const limits::OfficialAsk& ask, Deadline deadline) override;
  Result<limits::OfficialView> correct(const limits::OfficialAsk& ask, limits::Correction correction,
                                       std::int64_t tokens, std::int64_t charged_then, Deadline deadline) override;
  Result<limits::OfficialState> state(const limits::OfficialAsk& ask, Deadline deadline) override;

  void set_time_for_tests(std::int64_t now) {
    time_for_tests_.with([&](auto& it) { it = now; });
  }

 private:
  OfficialArgument begin(OfficialStep step, std::size_t buckets, std::int64_t time = 0,
                         bool may_have_ended = false) const;
  Result<Value> run(OfficialStep step, std::string_view id, const std::vector<std::string>& keys,
                    const OfficialArgument& argument, Deadline deadline) const;
  std::string key_of(const limits::OfficialAsk& ask) const { return options_.prefix + ask.key; }

  const OfficialStoreOptions options_;
  Client& client_;
  const Clock& clock_;
  Guarded<std::optional<std::int64_t>> time_for_tests_;
};

}  // namespace chaveiro::redis
