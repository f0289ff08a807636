// tests/integration/kill_samples.h
//
// What the killed process and the test that kills it agree on.
//
// Threads: pure functions.
#pragma once

#include <string>

#include "clients/sqlite/store.h"
#include "directory/lookup_log.h"
#include "tests/contract/samples.h"

namespace chaveiro::contract {

inline Secret kill_key() { return Secret("key of the killed"); }

inline clients::sqlite::SqliteOptions kill_store_options(const std::string& folder) {
  clients::sqlite::SqliteOptions options;
  options.path = folder + "/chaveiro.db";
  options.check = clients::sqlite::SqliteOptions::Check::none;
  options.cache_bytes = 4u << 20;
  options.log_pages_max = 200;  // so that the log is folded in many times
  return options;
}

inline LookupRecord kill_lookup(std::uint64_t n) {
  LookupRecord record;
  record.at = day_one + Micros(n);
  record.ispb = our_ispb;
  record.actor = "somebody";
  record.correlation_id = std::to_string(n);
  record.key_hash = sha256(std::to_string(n));
  return record;
}

}  // namespace chaveiro::contract
