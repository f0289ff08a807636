// directory/anchor_text.h
//
// Reads the JSON line of an anchor (audit.h) without looking at its signature: only read_anchor() does both.
//
// Threads: pure function.
// Errors:  invalid, naming what is wrong.
#pragma once

#include <string_view>

#include "directory/audit.h"

namespace chaveiro::directory {

Result<Anchor> parse_anchor_text(std::string_view line);

}  // namespace chaveiro::directory
