// app/demo.h
//
// A small demonstration base: invented people and companies at two participants, so that the first look-up has something to find. It
// is imported at start into an empty store, unless --empty says otherwise, and never where APP_ENV is production.
//
// Threads: one caller.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "directory/store.h"

namespace chaveiro::app {

inline constexpr std::string_view demo_first_key = "ana.souza@example.com";

// The demonstration base as import lines.
std::string_view demo_lines();

// Imports it for those of its participants that are served, where the store holds no account of them yet. Answers how many entries were made.
Result<std::uint64_t> import_demo(directory::Store& store, const Clock& clock,
                                  const std::vector<directory::Ispb>& served, Deadline deadline);

}  // namespace chaveiro::app
