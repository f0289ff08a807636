// tests/integration/event_kill_ledger.h
//
// The ledger of what a killed process answered, kept outside it, and what its store must hold in the end: each event applied once, in the
// order of its key, none lost.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace chaveiro::contract {

struct Verdict {
  std::size_t answered = 0;  // commits of which the process had told
  std::size_t applied = 0;
  std::vector<std::string> lost, twice, out_of_order;
  bool holds() const { return lost.empty() && twice.empty() && out_of_order.empty() && applied >= answered; }
};

// What the store of this folder says about the answered commits (numbers of event_kill_child). Throws where it cannot be read.
Verdict verdict_on(const std::string& folder, const std::set<std::uint64_t>& answered);

std::ostream& operator<<(std::ostream& out, const Verdict& verdict);

}  // namespace chaveiro::contract
