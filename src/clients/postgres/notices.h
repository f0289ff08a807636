// clients/postgres/notices.h
//
// Tells this process what others have committed to the same database: the keys whose entries changed, or that too much may have changed.
// Each group that commits sends one notice (NOTIFY), which carries its writer and sequence and nothing else; what it changed is read from
// the audit. A look every half a second finds what a lost notice would have told.
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
#include "directory/entry.h"

namespace chaveiro::clients::postgres {

struct ForeignCommits {
  struct Changed {
    directory::Key key;
    std::uint64_t version;  // of the newest of its entries
  };
  std::uint64_t sequence = 0;    // up to this commit
  bool everything = false;       // there was a gap, or too much: drop all that is kept
  std::vector<Changed> changed;  // else these
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

 private:
  struct State {
    bool stopping = false;
    bool hears = false;
  };
  void loop();
  Result<void> listen();
  Result<void> look(Connection& connection, std::uint64_t& handled);
  bool stopping() const {
    return state_.with([](const State& state) { return state.stopping; });
  }
  void set_hears(bool hears) {
    state_.with([&](State& state) { state.hears = hears; });
  }

  const Target target_;
  const std::string writer_, ispbs_;
  const Hook hook_;
  Guarded<State> state_;
  std::thread thread_;
};

inline constexpr std::string_view notify_commit = "SELECT pg_notify('chaveiro_commits', $1)";

}  // namespace chaveiro::clients::postgres
