// bench/postgres_program.h
//
// The program itself on a PostgreSQL: `chaveiro serve`, and `chaveiro import` of a file into it, as a person would run them.
//
// Threads: one. Faults throw: it is a benchmark.
#pragma once

#include <cstdint>

#include "tests/support/postgres_server.h"

namespace chaveiro::bench {

// Lines a second, from the start of the command to its end.
double import_by_program(tests::PostgresServer& server, std::uint64_t lines);

}  // namespace chaveiro::bench
