// limits/limiter.h
//
// The limiter: rules (rules.h) over a store (store.h). One question, all rules that apply, one answer; the rules may be exchanged while
// it works, and what was counted stays as each rule says (`on_change`).
//
// When the store is away, each rule says what happens (`without_store`): deny refuses, allow lets pass, share counts in this process
// against its share of the limit (amount and burst divided by nodes_max), so that all nodes together admit no more than the limit.
//
// A refusal is remembered until its retry_after: a caller that hammers meets this memory instead of the store. A reset and new rules
// forget it.
//
// Threads: any number at once.
// Time:    over a memory store about 0.3 µs for a call with two rules; over a store elsewhere one round trip, bounded by the deadline.
// Errors:  those of the store never come out: the rules say what happens. acquire(): see there.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "base/metrics.h"
#include "limits/memory_store.h"
#include "limits/rules.h"

namespace chaveiro::limits {

struct LimiterOptions {
  std::int64_t nodes_max = 1;           // processes that may share the store; for without_store: share
  Micros store_time_max{100'000};       // the longest that a question waits for the store
  std::size_t remembered_max = 10'000;  // refusals; 0: each question goes to the store
  // false where asking the store costs no more than remembering (memory): nothing is remembered
  bool store_is_far = false;
};

// What one rule said.
struct Said {
  std::string rule;
  std::string key;
  Weight weight = Weight::binding;
  Decision decision;
};

struct Answer {
  bool allowed = true;
  bool without_store = false;      // the store was away
  std::vector<Said> said;          // none: no rule with a limit applies
  const Said* tightest = nullptr;  // of the binding ones: the one that refuses longest, else the one with least left
  std::int64_t holder = 0;         // of the places that were taken, for release(); 0: none was

  Answer() = default;
  Answer(Answer&&) = default;  // tightest points into said
  Answer& operator=(Answer&&) = default;
};

class Limiter {
 public:
  Limiter(LimiterOptions options, Store& store, std::shared_ptr<const RuleSet> rules, const Clock& clock,
          Registry& metrics);
  ~Limiter();

  // `hits` multiplies the cost of each rule. `holder` is for concurrency limits; 0: where one applies, the answer names a new one.
  Answer ask(const Descriptor& descriptor, std::int64_t hits, Deadline deadline, Mode mode = Mode::take,
             std::int64_t holder = 0);
  // Several at once, all or nothing; one answer for each.
  struct Part {
    Descriptor descriptor;
    std::int64_t hits = 1;
  };
  std::vector<Answer> ask_all(const std::vector<Part>& parts, Deadline deadline);
  // Gives the places of concurrency limits back.
  void release(const Descriptor& descriptor, std::int64_t holder, Deadline deadline);

  // From now on these rules. What was counted is kept as the new rules say.
  void replace(std::shared_ptr<const RuleSet> rules);
  std::shared_ptr<const RuleSet> rules() const;

  Result<void> reset(std::string_view key, Deadline deadline);
  Result<std::vector<BucketView>> busiest(std::string_view rule, std::size_t most, Deadline deadline);

 private:
  struct Question;
  struct Live;
  struct Refusal {
    SteadyTime until;
    std::int64_t cost;
    Decision decision;
  };
  using Refusals = std::unordered_map<std::string, Refusal>;

  std::shared_ptr<const Live> live() const { return *live_.lock(); }
  std::shared_ptr<const Live> prepare(std::shared_ptr<const RuleSet> rules);
  void run(Question& question, Deadline deadline);
  void ask_without_store(Question& question);
  bool known_to_be_over(Question& question);
  void remember(const Question& question);
  void count(const Question& question) const;

  const LimiterOptions options_;
  Store& store_;
  const Clock& clock_;
  Registry& metrics_;
  MemoryStore own_share_;
  Counter& store_away_;
  Guarded<Refusals> refusals_;
  Guarded<std::shared_ptr<const Live>> live_;
};

// exhausted "RateLimited", with retry_after; one violation names the rule.
Error refusal(const Answer& answer);

}  // namespace chaveiro::limits
