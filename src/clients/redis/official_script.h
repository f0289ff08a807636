// clients/redis/official_script.h
//
// The script of the official buckets (official_store.h): each step over all buckets of a call at once, with the arithmetic of
// limits/official_bucket.h number for number.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "clients/redis/script.h"
#include "limits/official_bucket.h"

namespace chaveiro::redis {

const Script& official_script();
// The same for the steps that a reservation's id makes repeat-safe: sent again when their answer was lost.
const Script& repeatable_official_script();

// What the script is told of a bucket: its terms and what the step needs besides.
std::string official_argument(const limits::OfficialTerms& terms, std::initializer_list<std::int64_t> more);

}  // namespace chaveiro::redis
