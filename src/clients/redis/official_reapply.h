// clients/redis/official_reapply.h
//
// What a fail-over may have lost is said again: a replica that takes over, or a server that comes back, may lack the last writes of the one
// before. This store remembers the reservations of the last seconds and what they were settled at; when the server that answers is
// another one than before, it holds and settles them there again. Both steps are repeat-safe by the reservation's id, so that what
// had arrived is not charged twice.
//
// Between the fail-over and the moment when we hear of it, calls are admitted by what the new server knows; what they can be too many is
// what was lost, at most the reservations of that time.
//
// Threads: any number at once; whoever reserves first after a fail-over says everything again and keeps the others waiting.
// Errors:  those of the store.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/guarded.h"
#include "base/metrics.h"
#include "clients/redis/official_store.h"
#include "clients/redis/server_watch.h"

namespace chaveiro::redis {

struct OfficialReapplyOptions {
  Micros remembered{20'000'000};       // 10 s for a reservation to be settled, and 10 s after that
  std::size_t steps_max = 50'000;      // reservations; the oldest go first
  std::string prefix = "{policies}:";  // in a cluster: the node of these keys is watched
};

class OfficialReapply final : public limits::OfficialStore {
 public:
  OfficialReapply(OfficialReapplyOptions options, redis::OfficialStore& store, Client& client, const Clock& clock,
                  Registry& metrics);
  ~OfficialReapply() override;

  Result<limits::OfficialVerdict> reserve(const std::string& id, const std::vector<limits::OfficialAsk>& asks,
                                          Micros timeout, Deadline deadline) override;
  Result<limits::OfficialSettled> settle(const std::string& id, const std::vector<limits::OfficialAsk>& asks,
                                         const std::vector<limits::OfficialCharge>& charges,
                                         const std::string& end_to_end, Deadline deadline) override;
  Result<bool> credit(const std::string& end_to_end, Deadline deadline) override {
    return store_.credit(end_to_end, deadline);
  }
  Result<limits::OfficialView> look(const limits::OfficialAsk& ask, Deadline deadline) override {
    return store_.look(ask, deadline);
  }
  Result<limits::OfficialView> correct(const limits::OfficialAsk& ask, limits::Correction correction,
                                       std::int64_t tokens, std::int64_t charged_then, Deadline deadline) override {
    return store_.correct(ask, correction, tokens, charged_then, deadline);
  }
  Result<limits::OfficialState> state(const limits::OfficialAsk& ask, Deadline deadline) override {
    return store_.state(ask, deadline);
  }

  // Says again what may be lost, if the server has changed. To be called now and then too, for a process that reserves nothing more.
  // Answers how many reservations were said again.
  Result<std::size_t> run_once(Deadline deadline);
  bool server_changed() const { return watch_.changed(); }
  bool watching() const { return watch_.watching(); }

 private:
  enum class End : std::uint8_t { none = 1, settled, late };
  struct Step {
    std::string id;
    std::vector<limits::OfficialAsk> asks;
    SteadyTime reserved{};
    Micros timeout{};
    End end = End::none;
    std::vector<limits::OfficialCharge> charges{};
    std::string end_to_end{};
  };
  struct Memory {
    std::deque<std::shared_ptr<Step>> oldest_first;
    std::unordered_map<std::string, std::shared_ptr<Step>> by_id;
  };
  void remember(Step step);
  Result<void> say_again(const Step& step, Deadline deadline);

  const OfficialReapplyOptions options_;
  redis::OfficialStore& store_;
  const Clock& clock_;
  Counter& said_again_;
  Guarded<Memory> memory_;
  ServerWatch watch_;
};

}  // namespace chaveiro::redis
