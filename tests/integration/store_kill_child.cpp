// The process that store_kill_test kills: commits or appends from several threads and writes the number of each answered one
// to standard output, eight bytes at a time, until it is killed.
//
//   store_kill_child changes|lookups FOLDER FIRST
#include <unistd.h>

#include <cstdlib>
#include <string_view>
#include <thread>

#include "clients/sqlite/store.h"
#include "directory/lookup_file.h"
#include "tests/contract/samples.h"
#include "tests/integration/kill_samples.h"

namespace chaveiro {
namespace {

// Runs `one` for number after number, from four threads, for ever.
template <class One>
[[noreturn]] void go_on(std::uint64_t first, const One& one) {
  Guarded<std::uint64_t> next(first);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (;;) {
        const std::uint64_t n = next.with([](std::uint64_t& it) { return it++; });
        if (one(n) && ::write(STDOUT_FILENO, &n, sizeof n) != sizeof n) std::_Exit(3);
      }
    });
  for (std::thread& thread : threads) thread.join();
  std::abort();
}

int commit_changes(const std::string& folder, std::uint64_t first) {
  auto store =
      clients::sqlite::SqliteStore::open(contract::kill_store_options(folder), contract::kill_key(), contract::day_one);
  if (!store) return 2;
  go_on(first,
        [&](std::uint64_t n) { return (*store)->commit(contract::registration_of(n), Deadline::never()).has_value(); });
}

int append_lookups(const std::string& folder, std::uint64_t first) {
  auto log = directory::LookupFile::open({.folder = folder, .sync_every = Micros(1000), .grow_by = 64u << 10});
  if (!log) return 2;
  go_on(first, [&](std::uint64_t n) { return (*log)->append(contract::kill_lookup(n)).has_value(); });
}

}  // namespace
}  // namespace chaveiro

int main(int count, char** arguments) {
  if (count != 4) return 1;
  const std::string folder = arguments[2];
  const std::uint64_t first = std::strtoull(arguments[3], nullptr, 10);
  return std::string_view(arguments[1]) == "changes" ? chaveiro::commit_changes(folder, first)
                                                     : chaveiro::append_lookups(folder, first);
}
