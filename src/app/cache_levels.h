// app/cache_levels.h
//
// The slower levels of the caches that the settings ask for, and whether what they hold from before may be believed.
//
// A level that outlives the process is believed at start only if it was left in order: close() leaves a note of the store's last commit,
// which open() replaces by one that says that we are at work. So after a crash the levels are emptied, for what was committed last may not
// have reached them; a store that went back empties them too.
//
// Where nodes share the store, commits since the note were the others', who kept the shared levels as they went: these are believed, and a
// node that is new empties no third level. A file of ours alone is believed only if there was no commit since.
//
// Threads: open() and close() by one thread; the tiers as they say; step() by one worker.
// Errors:  those of the tiers, naming the file.
#pragma once

#include <functional>
#include <memory>

#include "app/settings.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "cache/backplane.h"
#include "cache/tier.h"
#include "directory/store.h"

namespace chaveiro::redis {
class Client;
}

namespace chaveiro::app {

class CacheLevels {
 public:
  virtual ~CacheLevels() = default;
  // `folder`: of this process alone.
  static Result<std::unique_ptr<CacheLevels>> open(const Settings& settings, const std::string& folder,
                                                   directory::Store& store, const Clock& clock, Registry& metrics,
                                                   const Logger& log);

  virtual cache::Tier* l2() = 0;  // null: not asked for
  // The server of the second level; null: not asked for.
  virtual redis::Client* redis() = 0;
  // True: the second level may hold what is old, and must be cleared before anything is read from it.
  virtual bool l2_is_suspect() const = 0;
  // Does the second level answer? For what health shows.
  virtual Result<void> check(Deadline deadline) = 0;
  virtual cache::Tier* l3() = 0;
  // It lies in the database of all nodes, not in a file of this process.
  virtual bool l3_is_shared() const = 0;
  // Over which the nodes that share the second level tell each other what they wrote; null: no such level.
  virtual cache::Backplane* backplane() = 0;
  // This node's own number there, the same in its next life.
  virtual std::uint64_t publisher() const = 0;
  // Writes what was counted, and removes some of what is over from a file of our own.
  virtual Result<void> step(Deadline deadline) = 0;
  // Removes what is over from a third level that the nodes share, in bounded steps, as long as `goes_on` says so. One of the nodes is
  // enough.
  virtual Result<void> sweep(const std::function<bool()>& goes_on, Deadline deadline) = 0;
  // The store is no longer written to. `told_everything`: every commit since open() was told to the caches.
  virtual Result<void> close(directory::Store& store, bool told_everything, Deadline deadline) = 0;
};

}  // namespace chaveiro::app
