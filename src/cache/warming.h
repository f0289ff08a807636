// cache/warming.h
//
// Warming: a plan that loads keys into a cache before they are asked for, within a rate and a budget, and that goes on where it was
// stopped.
//
//   WarmPlan plan{.name = "weekly", .keys = KeySpace::product("comexstat:exp:{0}:{1}:{2}", {years, codes, countries})};
//   Warmer(plan, clock).run([&](std::string_view key, Deadline deadline) { … }, tell, Deadline::in(2h));
//
// Guarantees: every key is tried at least once, in the order of the plan; after a resume at most `concurrency` of them again. The budget
//             counts keys that were really loaded, not those that were there.
// Threads: run() one at a time; it starts `concurrency` threads. stop() any. The step is called on several threads at once.
// Time:    a key space is O(1) however large it is; keys are made as they are needed.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"

namespace chaveiro::cache {

// A sequence of keys that need not lie in memory.
class KeySpace {
 public:
  static KeySpace list(std::vector<std::string> keys);
  // prefix + number for each number from first to last.
  static KeySpace range(std::string prefix, std::uint64_t first, std::uint64_t last);
  // Every combination; {0}, {1}, … in the pattern stand for the values of each dimension. The last dimension turns fastest.
  static KeySpace product(std::string pattern, std::vector<std::vector<std::string>> dimensions);
  // One after the other.
  static KeySpace chain(std::vector<KeySpace> spaces);

  std::uint64_t size() const { return size_; }
  std::string at(std::uint64_t index) const { return at_(index); }

 private:
  KeySpace(std::uint64_t size, std::function<std::string(std::uint64_t)> at) : size_(size), at_(std::move(at)) {}
  std::uint64_t size_;
  std::function<std::string(std::uint64_t)> at_;
};

struct WarmPlan {
  enum class Order : std::uint8_t { forward, backward, scattered };

  std::string name = "warming";
  KeySpace keys = KeySpace::list({});
  Order order = Order::forward;                    // scattered: neighbours far apart, the same each time
  std::size_t concurrency = 4;                     // threads; 0 counts as 1
  double rate = 0;                                 // keys a second at most; 0: as fast as it goes
  std::uint64_t loads_max = 0;                     // budget of loads at the source; 0: unbounded
  std::uint64_t failures_max = 10;                 // in a row, then the plan stops; 0: goes on
  Micros key_time_max = std::chrono::seconds{10};  // deadline of one key
  std::string resume_file;                         // remembers the position; empty: every run begins at the beginning
};

struct WarmProgress {
  enum class End : std::uint8_t { running, complete, budget, failures, deadline, stopped };
  std::uint64_t total = 0;
  std::uint64_t position = 0;                         // all keys before it, in the plan's order, were tried
  std::uint64_t loaded = 0, present = 0, failed = 0;  // of this run
  Micros elapsed{0};
  End end = End::running;
};
std::string_view to_string(WarmProgress::End end);
// "[#####.....]  50 %  600/1200 loaded 580 present 15 failed 5": for a terminal.
std::string progress_bar(const WarmProgress& progress);

class Warmer {
 public:
  enum class Step : std::uint8_t { loaded, present };
  using Load = std::function<Result<Step>(std::string_view key, Deadline deadline)>;
  using Tell = std::function<void(const WarmProgress&)>;

  Warmer(WarmPlan plan, const Clock& clock) : plan_(std::move(plan)), clock_(clock) {}

  // `tell` is called about once a hundredth of the plan, on one thread at a time. A complete plan forgets its position.
  // Errors: those of the resume file.
  Result<WarmProgress> run(const Load& load, const Tell& tell, Deadline deadline);
  void stop();

 private:
  struct State {
    WarmProgress progress;
    std::uint64_t next = 0;   // to be handed out
    std::uint64_t begun = 0;  // of this run
    std::vector<bool> done;   // from progress.position on
    std::uint64_t failures_in_a_row = 0;
    bool stop = false;
  };

  void work(const Load& load, const Tell& tell, Deadline deadline, SteadyTime begin);
  bool take(std::uint64_t& index, Deadline deadline, SteadyTime begin);
  void done(std::uint64_t index, const Result<Step>& result, const Tell& tell, SteadyTime begin);
  std::uint64_t place(std::uint64_t index) const;
  Result<std::uint64_t> remembered() const;

  const WarmPlan plan_;
  const Clock& clock_;
  Guarded<State> state_;
};

}  // namespace chaveiro::cache
