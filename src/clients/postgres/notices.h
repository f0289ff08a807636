// clients/postgres/notices.h
//
// Tells this process what others have committed to the same database: the records that changed, as they are now, or that too much may have
// changed. Each group that commits sends one notice (NOTIFY), which carries its writer and sequence and nothing else; what it changed is
// asked of the audit, also where another participant changed it. A look every half a second finds what a lost notice would have told.
//
// Guarantees: while hears() is true a commit of another process was told of, or is told of within about a second of its answer. After a
//             gap everything is named, before hears() becomes true again.
// Threads: one of its own, on which the hook runs. hears() from any.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "clients/postgres/connection.h"
#include "directory/change.h"

namespace chaveiro::clients::postgres {

struct ForeignCommits {
  // What is kept in memory, after a gap or where it was too much to tell; or in slower levels too, where the database is older than it was.
  enum class Lost : std::uint8_t { nothing, memory, everything };
  std::uint64_t sequence = 0;             // up to this commit
  Lost lost = Lost::nothing;              // what must be dropped
  std::vector<directory::Write> records;  // else what changed, of what this process may see; without `before`
};

class Notices {
 public:
  using Hook = std::function<void(const ForeignCommits&)>;

  // `writer`: the own one, whose commits are not told of.
  Notices(Target target, std::string writer, std::string ispbs, Hook hook);
  ~Notices();

  bool hears() const {
    return state_.with([](const State& state) { return state.hears; });
  }
  // Whether it does before the deadline.
  bool wait_until_it_hears(Deadline deadline) {
    return state_.lock().wait(deadline, [](const State& state) { return state.hears; });
  }

 private:
  struct State {
    bool stopping = false;
    bool hears = false;
  };
  void loop();
  Result<void> listen();
  Result<void> look(Connection& connection, std::uint64_t& handled);
  Result<void> read(Connection& connection, std::uint64_t handled, ForeignCommits& news, Deadline deadline);
  bool stopping() const {
    return state_.with([](const State& state) { return state.stopping; });
  }
  void set_hears(bool hears) {
    state_.with([&](State& state) { state.hears = hears; });
    state_.notify_all();
  }

  const Target target_;
  const std::string writer_, ispbs_;
  const Hook hook_;
  Guarded<State> state_;
  std::thread thread_;
};

inline constexpr std::string_view notify_commit = "SELECT pg_notify('chaveiro_commits', $1)";

}  // namespace chaveiro::clients::postgres
