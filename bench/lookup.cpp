// What a look-up costs beside the barest gRPC service that answers the same message.
//
// Server on core 0, this load generator on core 1. Ours and the echo take turns, seven rounds or more, half a second each. Keys are
// drawn by Zipf over those imported; every answer is checked: HTTP status, `grpc-status`, and that it carries the key asked for.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>

#include "bench/lookup_echo.h"
#include "bench/lookup_rounds.h"

namespace {

constexpr const char* help =
    R"(lookup [FLAGS]             ours beside the bare echo; the program `chaveiro` must be built
lookup --million [FLAGS]   a million generated keys: import, start, latency, memory, file size

  --keys N        keys imported and asked for (100000; with --million 1000000)
  --rounds N      rounds of each contender (7)
  --seconds S     a round's length (0.5)
  --program FILE  the program (../chaveiro beside this file)
  --folder DIR    where its temporary folder is made (/tmp)

lookup --profile SECONDS   only ours by gRPC, kept busy for a profiler; prints its process
lookup --echo-server callback|sync|raw --answer FILE   only the echo; FILE holds a LookupKeyResponse
)";

}  // namespace

int main(int argc, char** argv) {
  using namespace chaveiro::bench;
  RunOptions options;
  bool million = false;
  Seconds profile{0};
  std::string echo, answer;
  std::size_t keys = 0;
  const std::map<std::string, std::function<void(const char*)>> flags{
      {"--keys", [&](const char* text) { keys = std::strtoull(text, nullptr, 10); }},
      {"--rounds", [&](const char* text) { options.rounds = std::strtoull(text, nullptr, 10); }},
      {"--seconds", [&](const char* text) { options.window = Seconds(std::atof(text)); }},
      {"--program", [&](const char* text) { options.platform.program = text; }},
      {"--folder", [&](const char* text) { options.platform.folder = text; }},
      {"--profile", [&](const char* text) { profile = Seconds(std::atof(text)); }},
      {"--echo-server", [&](const char* text) { echo = text; }},
      {"--answer", [&](const char* text) { answer = text; }},
  };
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto flag = flags.find(word);
    if (word == "--million") {
      million = true;
    } else if (word == "--help" || flag == flags.end() || i + 1 == argc) {
      std::fputs(help, word == "--help" ? stdout : stderr);
      return word == "--help" ? 0 : 2;
    } else {
      flag->second(argv[++i]);
    }
  }
  if (!echo.empty()) return serve_echo(echo, answer);
  if (options.rounds == 0 || options.window <= Seconds{0}) stop("--rounds and --seconds must be positive");
  if (keys > 0 || million) options.keys = keys > 0 ? keys : 1'000'000;
  run_on_core(load_core);
  if (profile > Seconds{0}) return run_for_profile(options, profile), 0;
  million ? run_million(options) : run_beside_echo(options);
  return 0;
}
