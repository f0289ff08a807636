// bench/lookup_rounds.h
//
// What is measured: ours beside the echo in turns, and the run with a million keys.
#pragma once

#include <cstddef>

#include "bench/lookup_load.h"
#include "bench/lookup_platform.h"

namespace chaveiro::bench {

struct RunOptions {
  std::size_t keys = 100'000;
  std::size_t rounds = 7;
  Seconds window{0.5};
  PlatformOptions platform;
};

void run_beside_echo(const RunOptions& options);
// Keeps ours busy by gRPC and says which process to look into, with perf or the like.
void run_for_profile(const RunOptions& options, Seconds time);
void run_million(const RunOptions& options);

}  // namespace chaveiro::bench
