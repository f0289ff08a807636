// bench/output_of.h
//
// What another program prints, for peers that are programs: the whole of its standard output, once it has ended.
#pragma once

#include <array>
#include <cstdio>
#include <string>

#include "base/check.h"

namespace chaveiro::bench {

// `command` goes to the shell; it is one of ours.
inline std::string output_of(const std::string& command) {
  std::string text;
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  CHECK(pipe != nullptr);
  std::array<char, 4096> part;
  for (std::size_t got; (got = std::fread(part.data(), 1, part.size(), pipe)) > 0;) text.append(part.data(), got);
  ::pclose(pipe);
  return text;
}

}  // namespace chaveiro::bench
