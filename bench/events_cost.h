// bench/events_cost.h
//
// What it costs a commit and an import that what they do is told as events: the same work with and without an outbox, in turn, each
// round into a new file. Ratios are those of the rates, 1 is "for nothing".
//
// Threads: one. Faults end the process: it is a benchmark.
#pragma once

#include <string>

namespace chaveiro::bench {

void events_cost(const std::string& folder);

}  // namespace chaveiro::bench
