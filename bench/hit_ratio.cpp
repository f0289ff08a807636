// bench/hit_ratio.cpp
//
// How near to the optimum the memory level's choice of entries comes: it is driven itself, by recorded requests, beside Belady's
// clairvoyant optimum on the same requests.
//
//   hit_ratio [--trace FILE|-]… [--capacity N]…      files *.lirs[.gz] (a number a line) and *.cache2k[.xz] (big-endian int32)
//   CHAVEIRO_TRACES=DIR hit_ratio                    the usual cells over the traces in DIR
//   hit_ratio                                        synthetic: Zipf 0.9 over 100,000 keys with scans between
//
// Mean/kv is over the traces of key-value caches, mean/all over all usual cells.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <queue>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/memory.h"

namespace {

using chaveiro::cache::Memory;
using Requests = std::vector<std::uint32_t>;  // keys numbered by first use

std::string contents(const std::string& path) {
  const bool gz = path.ends_with(".gz"), xz = path.ends_with(".xz");
  int ends[2];
  FILE* file = nullptr;
  pid_t child = 0;
  if (path == "-") {
    file = stdin;
  } else if (gz || xz) {
    if (pipe(ends) != 0 || (child = fork()) < 0) return {};
    if (child == 0) {
      dup2(ends[1], 1);
      close(ends[0]);
      execlp(gz ? "gzip" : "xz", gz ? "gzip" : "xz", "-dc", path.c_str(), nullptr);
      _exit(127);
    }
    close(ends[1]);
    file = fdopen(ends[0], "rb");
  } else {
    file = std::fopen(path.c_str(), "rb");
  }
  std::string all;
  char block[65536];
  for (std::size_t n; file != nullptr && (n = std::fread(block, 1, sizeof block, file)) > 0;) all.append(block, n);
  if (file != nullptr && file != stdin) std::fclose(file);
  if (child > 0) waitpid(child, nullptr, 0);
  return all;
}

Requests parse(const std::string& path) {
  const std::string data = contents(path);
  Requests requests;
  std::unordered_map<std::int64_t, std::uint32_t> numbers;
  const auto add = [&](std::int64_t key) {
    requests.push_back(numbers.emplace(key, static_cast<std::uint32_t>(numbers.size())).first->second);
  };
  const bool binary = path.find(".cache2k") != std::string::npos ||
                      (path == "-" && data.find_first_not_of("0123456789*\r\n ") != std::string::npos);
  if (binary) {
    for (std::size_t i = 0; i + 4 <= data.size(); i += 4) {
      std::uint32_t key = 0;
      for (std::size_t b = 0; b < 4; ++b) key = key << 8 | static_cast<unsigned char>(data[i + b]);
      add(static_cast<std::int32_t>(key));
    }
    return requests;
  }
  for (std::size_t at = 0; at < data.size();) {
    const std::size_t end = std::min(data.find('\n', at), data.size());
    if (data[at] >= '0' && data[at] <= '9') add(std::strtoll(data.c_str() + at, nullptr, 10));
    at = end + 1;
  }
  return requests;
}

Requests synthetic() {
  std::mt19937_64 random(7);
  constexpr std::uint32_t keys = 100'000;
  std::vector<double> weight(keys);
  for (std::uint32_t i = 0; i < keys; ++i) weight[i] = std::pow(i + 1, -0.9);
  std::discrete_distribution<std::uint32_t> zipf(weight.begin(), weight.end());
  Requests requests;
  std::uint32_t fresh = keys;
  while (requests.size() < 1'000'000) {
    requests.push_back(zipf(random));
    if (random() % 20'000 == 0)
      for (int i = 0; i < 5'000; ++i) requests.push_back(fresh++);
  }
  return requests;
}

std::uint64_t optimum(const Requests& requests, std::size_t capacity) {
  const std::uint32_t keys = *std::max_element(requests.begin(), requests.end()) + 1;
  constexpr std::uint32_t never = 0xFFFFFFFF;
  std::vector<std::uint32_t> next(requests.size()), last(keys, never), due(keys);
  for (std::size_t i = requests.size(); i-- > 0;)
    next[i] = std::exchange(last[requests[i]], static_cast<std::uint32_t>(i));
  std::vector<bool> held(keys);
  std::priority_queue<std::pair<std::uint32_t, std::uint32_t>> farthest;
  std::size_t size = 0;
  std::uint64_t hits = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const std::uint32_t key = requests[i];
    if (held[key])
      ++hits;
    else
      held[key] = true, ++size;
    due[key] = next[i];
    farthest.emplace(next[i], key);
    while (size > capacity) {
      const auto [when, which] = farthest.top();
      farthest.pop();
      if (held[which] && due[which] == when) held[which] = false, --size;
    }
  }
  return hits;
}

std::uint64_t ours(const Requests& requests, std::size_t capacity) {
  chaveiro::ManualClock clock;
  Memory<std::uint32_t, std::uint32_t> cache(
      {.bytes = std::max<std::size_t>(capacity * 256, 1 << 20), .entries = capacity, .shards = 1, .seed = 42}, clock);
  std::uint64_t hits = 0;
  std::uint32_t value = 0;
  for (const std::uint32_t key : requests) {
    if (cache.get(key, value)) {
      ++hits;
      if (value != key) std::abort();
    } else {
      cache.put(key, key);
    }
  }
  if (cache.stats().entries > capacity) std::abort();
  return hits;
}

double report(const std::string& name, const Requests& requests, std::size_t capacity) {
  const double best = static_cast<double>(optimum(requests, capacity)),
               got = static_cast<double>(ours(requests, capacity));
  const double total = static_cast<double>(requests.size());
  std::fprintf(stderr, "%-12s %7zu   hits %6.2f %%   optimum %6.2f %%   fraction %.3f\n", name.c_str(), capacity,
               100 * got / total, 100 * best / total, got / best);
  std::printf(
      "{\"bench\":\"hit_ratio\",\"case\":\"%s/%zu\",\"value\":%.4f,\"unit\":\"of "
      "optimum\",\"peer\":\"optimum\",\"peer_value\":1,\"ratio\":%.4f}\n",
      name.c_str(), capacity, got / best, got / best);
  return got / best;
}

void mean(const char* name, double value) {
  std::fprintf(stderr, "%-12s           %.4f\n", name, value);
  std::printf(
      "{\"bench\":\"hit_ratio\",\"case\":\"mean/%s\",\"value\":%.4f,\"unit\":\"of "
      "optimum\",\"peer\":\"optimum\",\"peer_value\":1,\"ratio\":%.4f}\n",
      name, value, value);
}

void usual_cells(const std::string& folder) {
  struct Line {
    const char* trace;
    bool key_value;
    std::vector<std::size_t> capacities;
  };
  const Line lines[] = {{"web07.cache2k.xz", true, {256, 512, 1024, 2048}},
                        {"web12.cache2k.xz", true, {256, 512, 1024, 2048}},
                        {"orm-busy.cache2k.xz", true, {1000, 2500, 5000, 10000}},
                        {"gli.lirs.gz", false, {250, 500, 1000, 2000}},
                        {"loop.lirs.gz", false, {256, 512, 768}},
                        {"sprite.lirs.gz", false, {250, 500, 1000}},
                        {"multi3.lirs.gz", false, {500, 1000, 2000}}};
  double all = 0, kv = 0;
  int all_count = 0, kv_count = 0;
  for (const Line& line : lines) {
    const Requests requests = parse(folder + "/" + line.trace);
    if (requests.empty()) continue;
    for (const std::size_t capacity : line.capacities) {
      const double fraction =
          report(std::string(line.trace).substr(0, std::string(line.trace).find('.')), requests, capacity);
      all += fraction;
      ++all_count;
      if (line.key_value) kv += fraction, ++kv_count;
    }
  }
  if (kv_count > 0) mean("kv", kv / kv_count);
  if (all_count > 0) mean("all", all / all_count);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> traces;
  std::vector<std::size_t> capacities;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--trace") traces.emplace_back(argv[i + 1]);
    if (std::string(argv[i]) == "--capacity") capacities.push_back(std::strtoull(argv[i + 1], nullptr, 10));
  }
  const char* folder = std::getenv("CHAVEIRO_TRACES");
  if (traces.empty() && folder != nullptr) {
    usual_cells(folder);
    return 0;
  }
  if (capacities.empty()) capacities = {250, 1000, 4000};
  for (const std::string& trace : traces) {
    const Requests requests = parse(trace);
    if (requests.empty()) {
      std::fprintf(stderr, "hit_ratio: no requests in %s\n", trace.c_str());
      return 2;
    }
    const std::string name = std::filesystem::path(trace).filename().string();
    for (const std::size_t capacity : capacities) report(name.substr(0, name.find('.')), requests, capacity);
  }
  if (traces.empty())
    for (const std::size_t capacity : capacities) report("zipf+scans", synthetic(), capacity);
}
