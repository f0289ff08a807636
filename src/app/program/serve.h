// app/program/serve.h
//
// `chaveiro serve`: the composition root. Builds the platform from its settings, bottom to top, says where it listens, and serves until
// SIGTERM or SIGINT: then it reports not ready, lets running requests finish until the deadline, and answers.
//
// Threads: the caller's is the one that waits for signals.
// Errors:  whatever kept the platform from starting, naming the setting or file that must be mended.
#pragma once

#include <string>

#include "app/settings.h"

namespace chaveiro::app {

struct ServeOptions {
  bool empty = false;                // true: no demonstration base
  std::string program = "chaveiro";  // how it was called, for the command that the greeting shows
};

Result<void> serve(const Loaded& loaded, const ServeOptions& options);

}  // namespace chaveiro::app
