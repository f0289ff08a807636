// base/check.h
//
// CHECK(condition): a bug stops the process, also in release, with the place and the broken condition on stderr. It is for
// what only a programmer can get wrong; input, disks and networks answer with Result (base/result.h), never with CHECK.
//
// Threads: any.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace chaveiro {

[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", file, line, condition);
  std::abort();
}

}  // namespace chaveiro

#define CHECK(condition) ((condition) ? static_cast<void>(0) : ::chaveiro::check_failed(#condition, __FILE__, __LINE__))
