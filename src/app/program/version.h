// app/program/version.h
//
// The version of the program, as CMake's project() states it.
//
// Threads: a constant.
#pragma once

#include <string_view>

namespace chaveiro::app {

inline constexpr std::string_view program_version = CHAVEIRO_VERSION;

}  // namespace chaveiro::app
