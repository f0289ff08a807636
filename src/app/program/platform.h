// app/program/platform.h
//
// The composition root: everything that serves, built bottom to top from the settings and taken down in the reverse order. Nothing else
// knows all of it.
//
// Threads: start, stop and reload by one thread.
// Errors:  start: whatever kept a part from starting, naming the setting, file or port that must be mended.
#pragma once

#include <memory>
#include <string>

#include "app/settings.h"
#include "base/log.h"

namespace chaveiro::app {

class Platform {
 public:
  static Result<std::unique_ptr<Platform>> start(const Settings& settings, bool demonstration, Log& log,
                                                 const Clock& clock);
  ~Platform();

  // Where it listens and how to make a first look-up, for the screen. `program`: how this program was called.
  std::string greeting(const std::string& program) const;

  // Certificates and token keys are read again. Errors: the old ones stay in force.
  Result<void> reload();

  // Not ready; no new calls; those under way may end until the deadline. Answers false where some had to be cut.
  bool stop(Deadline deadline);

 private:
  struct Parts;
  explicit Platform(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace chaveiro::app
