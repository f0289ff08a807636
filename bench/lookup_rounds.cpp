#include "bench/lookup_rounds.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "bench/lookup_report.h"

namespace chaveiro::bench {
namespace {

constexpr Seconds warm_up{2};

// One answer of ours, to be the echo's.
class OneAnswer final : public Answers {
 public:
  static std::string of(const Peer& peer, Requests& requests) {
    OneAnswer answers;
    std::string message;
    const auto connection = connect_grpc(peer, 1, requests, answers, &message);
    connection->start(requests.next(), steady_nanos());
    const Nanos until = steady_nanos() + 10'000'000'000;
    while (connection->in_flight() > 0 && steady_nanos() < until) {
      connection->send();
      connection->receive();
    }
    if (message.empty()) stop("the first look-up was not answered");
    return message;
  }
  void right(Nanos, std::size_t, Source) override {}
  void wrong(const std::string& what) override { stop("wrong answer: " + what); }
};

// An echo in a process of its own, and what keeps it busy. It gets the same metadata as ours.
struct Echo {
  Echo(const std::string& kind, const std::string& file, const std::string& token, Requests& requests)
      : server({.words = {std::filesystem::read_symlink("/proc/self/exe").string(), "--echo-server", kind, "--answer",
                          file}}),
        load(connect_grpc_64, Peer{server.grpc_port(), token}, requests, server.process()) {}
  Server server;
  Load load;
};

struct Contender {
  std::string name;
  Load& load;
  std::vector<double> rates = {}, processor = {}, used = {}, p99 = {};
  Round last = {};

  void take(const Round& round) {
    rates.push_back(round.rate);
    processor.push_back(round.cpu_us);
    used.push_back(round.core_used);
    last = round;
  }
  double rate() const { return spread_of(rates).median; }
  double cpu() const { return spread_of(processor).median; }
};

double micros(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1000; }

void print_contender(const Contender& it) {
  std::fprintf(stderr, "  %-16s %-34s %-28s %5.0f %%  %5.0f B  %4.0f %%\n", it.name.c_str(),
               to_string(spread_of(it.rates), 0).c_str(), to_string(spread_of(it.processor), 1).c_str(),
               spread_of(it.used).median * 100, it.last.message_bytes, it.last.from_memory * 100);
}

void print_switched_on(const Platform& platform, const RunOptions& options) {
  std::fprintf(stderr,
               "lookup: %zu keys, Zipf 0.99; 64 in flight (gRPC: 4 connections of 16, REST: 32 connections); server on "
               "core %d, load on "
               "core %d\n"
               "switched on: HS256 token (verified once, then remembered) · deadline and trace context · adaptive "
               "concurrency limit · "
               "look-up record (HMAC of key and payer, hash chain, written before the answer) · metrics · access log 1 "
               "in %s at level "
               "%s · check digits %s · memory of entries %s · limits per address and caller\n",
               options.keys, server_core, load_core, platform.setting("LOG_SAMPLE").c_str(),
               platform.setting("LOG_LEVEL").c_str(), platform.setting("CHAVEIRO_CHECK_DIGITS").c_str(),
               platform.setting("CACHE_L1_ENABLED").c_str());
}

// p99 with answers timed from when they were due, at half of what ours can do; the echo at the same rate.
void measure_p99(Contender& ours, Contender& echo, const RunOptions& options) {
  const double rate = ours.rate() / 2;
  for (std::size_t i = 0; i < options.rounds; ++i) {
    for (Contender* each : {&ours, &echo})
      each->p99.push_back(micros(each->load.fixed_rate(rate, options.window).times.quantile(0.99)));
  }
  const Spread p99 = spread_of(ours.p99);
  std::fprintf(stderr, "p99 at %.0f a second, µs: ours %s, echo %s\n", rate, to_string(p99, 0).c_str(),
               to_string(spread_of(echo.p99), 0).c_str());
  print("lookup",
        {"grpc/p99_at_half", "us", p99.median, Better::less, "echo at the same rate", spread_of(echo.p99).median});
}

}  // namespace

void run_beside_echo(const RunOptions& options) {
  Platform platform(options.platform);
  const Seconds import_time = platform.import_keys(options.keys);
  std::fprintf(stderr, "%zu keys imported in %.1f s\n", options.keys, import_time.count());
  Requests requests(options.keys);
  const std::string file = platform.folder() + "/answer";
  std::ofstream(file, std::ios::binary) << OneAnswer::of(platform.grpc(), requests);
  // Before the connections are made: a server closes those that are idle.
  if (!wait_for_quiet()) std::fprintf(stderr, "THE MACHINE IS NOT QUIET: these figures are hints at most\n");
  const int process = platform.server().process();
  Load ours_load(connect_grpc_64, platform.grpc(), requests, process);
  Load rest_load(connect_rest_32, platform.rest(), requests, process);
  const std::string token = platform.grpc().token;
  Echo callback("callback", file, token, requests), sync("sync", file, token, requests),
      raw("raw", file, token, requests);
  Contender ours{"ours, gRPC", ours_load}, rest{"ours, REST", rest_load}, echo{"echo, callback", callback.load},
      sync_echo{"echo, sync", sync.load}, raw_echo{"echo, raw bytes", raw.load};
  Contender* const all[] = {&ours, &echo, &sync_echo, &raw_echo, &rest};

  for (Contender* each : all) each->load.top_rate(each == &ours ? warm_up : options.window);
  for (std::size_t i = 0; i < options.rounds; ++i)
    for (Contender* each : all) each->take(each->load.top_rate(options.window));

  print_switched_on(platform, options);
  std::fprintf(stderr, "  %-16s %-34s %-28s %7s  %7s  %s\n", "", "answers a second (least – most)",
               "server CPU µs an answer", "core", "answer", "from memory");
  for (const Contender* each : all) print_contender(*each);
  const std::string peer_name = "bare echo, callback";
  print("lookup", {"grpc/echo_ratio", "ratio", ours.rate() / echo.rate()});
  print("lookup", {"grpc/throughput", "calls/s", ours.rate(), Better::more, peer_name, echo.rate()});
  print("lookup", {"grpc/cpu_per_call", "us", ours.cpu(), Better::less, peer_name, echo.cpu()});
  print("lookup", {"grpc/sync_echo", "calls/s", sync_echo.rate(), Better::more, peer_name, echo.rate()});
  print("lookup", {"grpc/raw_echo", "calls/s", raw_echo.rate(), Better::more, peer_name, echo.rate()});
  print("lookup", {"rest/throughput", "calls/s", rest.rate()});
  measure_p99(ours, echo, options);
}

void run_for_profile(const RunOptions& options, Seconds time) {
  Platform platform(options.platform);
  platform.import_keys(options.keys);
  Requests requests(options.keys);
  Load load(connect_grpc_64, platform.grpc(), requests, platform.server().process());
  load.top_rate(warm_up);
  std::fprintf(stderr, "process %d\n", platform.server().process());
  const Round round = load.top_rate(time);
  std::fprintf(stderr, "%.0f calls a second, %.1f µs of the server's processor each, %.0f %% from memory\n", round.rate,
               round.cpu_us, round.from_memory * 100);
}

void run_million(const RunOptions& options) {
  Platform platform(options.platform);
  const double empty_mib = platform.file_mib();
  const Seconds import_time = platform.import_keys(options.keys);
  const double after_import_mib = platform.server().resident_mib();
  platform.restart();
  const double file_mib = platform.file_mib() - empty_mib;
  const double after_start_mib = platform.server().resident_mib();
  Requests requests(options.keys);
  const auto keys = static_cast<double>(options.keys);
  Load load(connect_grpc_64, platform.grpc(), requests, platform.server().process());
  const double rate = 2'000;
  const Round cold = load.fixed_rate(rate, Seconds{10});
  const Round warm = load.fixed_rate(rate, Seconds{10});
  std::fprintf(
      stderr,
      "%zu generated keys with valid check digits, through `chaveiro import`; %.0f look-ups a second, Zipf 0.99\n",
      options.keys, rate);
  print("million", {"import", "lines/s", keys / import_time.count()});
  print("million", {"import_time", "s", import_time.count()});
  print("million", {"start_time", "ms", platform.server().start_time().count() * 1000});
  print("million", {"file_size", "MiB", file_mib});
  print("million", {"file_bytes_per_key", "B", file_mib * (1 << 20) / keys});
  print("million", {"memory_after_import", "MiB", after_import_mib});
  print("million", {"memory_after_start", "MiB", after_start_mib});
  print("million", {"memory_after_lookups", "MiB", platform.server().resident_mib()});
  for (const auto& [name, round] : {std::pair("cold", &cold), std::pair("warm", &warm)}) {
    for (const auto& [share_name, share] : {std::pair("p50", 0.5), std::pair("p99", 0.99), std::pair("p999", 0.999)})
      print("million", {std::string("lookup_") + name + "_" + share_name, "us", micros(round->times.quantile(share))});
  }
  print("million", {"from_memory", "share", warm.from_memory});
}

}  // namespace chaveiro::bench
