// What an import costs beside the plainest thing that SQLite can do with the same rows.
//
// Ours: lines of JSON → checked → decided → committed in groups with audit chain, sealed before and after, RequestIds. Raw: the rows
// of all tables that ours has written, inserted with prepared statements into the same schema, a transaction each 1,000 lines, same
// settings of the disk. Three rounds of each, in turn, each into a new file; the figure is the median in lines a second.
//
//   import [LINES [FOLDER]]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/import.h"
#include "bench/keys.h"
#include "bench/raw_copy.h"
#include "clients/sqlite/store.h"

namespace chaveiro {
namespace {

namespace fs = std::filesystem;
using namespace bench;

double run_ours(const std::string& path, const std::vector<std::string>& lines) {
  const SystemClock clock;
  clients::sqlite::SqliteOptions options;
  options.path = path;
  options.check = clients::sqlite::SqliteOptions::Check::none;
  auto store = clients::sqlite::SqliteStore::open(options, Secret("0123456789abcdef0123456789abcdef"), clock.now());
  if (!store) stop(store.error().message);
  const auto begin = std::chrono::steady_clock::now();
  app::Importer importer(**store, clock,
                         {.served = {*directory::Ispb::parse("12345678")}, .rules = {}, .actor = {"bench", "bench"}});
  std::uint64_t number = 0;
  for (const std::string& line : lines) {
    if (auto added = importer.add_json(++number, line, Deadline::never()); !added) stop(added.error().message);
  }
  const auto report = importer.finish(Deadline::never());
  if (!report) stop(report.error().message);
  if (report->entries_created != lines.size()) stop("not every line was imported");
  return Seconds(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace
}  // namespace chaveiro

int main(int argc, char** argv) {
  using namespace chaveiro;
  const std::size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200'000;
  const fs::path folder = (argc > 2 ? fs::path(argv[2]) : fs::temp_directory_path()) /
                          ("chaveiro-bench-import-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  std::vector<std::string> lines;
  for (std::size_t n = 0; n < count; ++n) lines.push_back(bench::line_of(n));

  std::vector<double> ours, raw;
  Copy copy;
  for (int round = 0; round < 3; ++round) {
    const std::string ours_path = folder / ("ours" + std::to_string(round));
    ours.push_back(static_cast<double>(count) / run_ours(ours_path, lines));
    if (round == 0) copy = read_copy(ours_path);
    raw.push_back(static_cast<double>(count) / run_raw(folder / ("raw" + std::to_string(round)), copy, count));
    std::fprintf(stderr, "round %d: ours %8.0f lines/s   raw %8.0f lines/s\n", round + 1, ours.back(), raw.back());
  }
  std::size_t rows = 0;
  for (const Table& table : copy.tables)
    rows += table.values.size() / static_cast<std::size_t>(std::max(1, table.columns));
  fs::remove_all(folder);
  const double value = median(ours), peer = median(raw);
  std::fprintf(stderr, "%zu lines, %.1f rows a line: ours %.0f/s, raw inserts of the same rows %.0f/s, ratio %.2f\n",
               count, static_cast<double>(rows) / static_cast<double>(count), value, peer, value / peer);
  std::printf(
      R"({"bench":"import","case":"sqlite/%zu","value":%.0f,"unit":"lines/s","peer":"raw batch inserts","peer_value":%.0f,"ratio":%.3f})"
      "\n",
      count, value, peer, value / peer);
}
