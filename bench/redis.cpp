// Our Redis client beside others in the same run: GET, SET and INCR with 1, 16, 128 and 1,000 commands in flight, values of 200 bytes,
// 100,000 keys. The server stands alone on core 0, the client with all its threads on core 1. At 1 in flight a thread calls and waits,
// above that each callback sends the next command. Peers: rueidis (goroutines that call and wait; `bench/peers/build redis`),
// `redis-benchmark -P 16`, and for 1 in flight a bare socket that spins.
//
//   redis [ROUNDS [SECONDS]]     default 7 rounds of 0.4 s, interleaved; medians
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "clients/redis/client.h"

namespace {

using namespace chaveiro;
using namespace chaveiro::redis;
using namespace std::chrono_literals;

constexpr std::uint64_t keys = 100'000;
const std::string value(200, 'x');

void pin_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  CHECK(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

class Server {
 public:
  Server() : port_(free_port()), pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin_to(0);
    const int nothing = ::open("/dev/null", O_RDWR);
    ::dup2(nothing, 1);
    const std::string port = std::to_string(port_);
    ::execlp("redis-server", "redis-server", "--port", port.c_str(), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--dir", "/tmp", nullptr);
    std::fprintf(stderr, "bench redis: there is no redis-server\n");
    ::_exit(127);
  }
  ~Server() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  std::uint16_t port_;
  pid_t pid_;
};

struct Figure {
  double per_second = 0;
  double cpu_us = 0;
  double p50_us = 0;
};

double cpu_us_used() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

void write_key(std::string& into, std::uint64_t n) {
  n = n * 2'654'435'761 % keys;
  into.assign("key:000000000000");
  for (std::size_t at = into.size() - 1; n > 0; --at, n /= 10) into[at] = static_cast<char>('0' + n % 10);
}

Command make(std::string_view operation, std::string& key, std::uint64_t n) {
  write_key(key, n);
  if (operation == "get") return Command("GET", key);
  if (operation == "set") return Command("SET", key, value);
  return Command("INCR", "counter:" + key);
}

double median(std::vector<double> of) {
  if (of.empty()) return 0;
  std::ranges::sort(of);
  return of[of.size() / 2];
}

// One lane sends the next command when the answer of the last has come.
class Lanes {
 public:
  Lanes(Client& client, std::string_view operation) : client_(client), operation_(operation) {}

  Figure run(int lanes, double seconds) {
    for (int i = 0; i < lanes; ++i) next(static_cast<std::uint64_t>(i));
    std::this_thread::sleep_for(100ms);
    const auto begin = std::chrono::steady_clock::now();
    const double cpu_begin = cpu_us_used();
    const std::uint64_t count_begin = count_.load();
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double cpu = cpu_us_used() - cpu_begin;
    const auto count = static_cast<double>(count_.load() - count_begin);
    stop_ = true;
    while (running_.load() > 0) std::this_thread::sleep_for(1ms);
    CHECK(wrong_.load() == 0);
    return {count / took, cpu / count, median(latencies_)};
  }

 private:
  // Everything but the first command of a lane is sent on the client's one I/O thread.
  void next(std::uint64_t n) {
    running_.fetch_add(1, std::memory_order_relaxed);
    thread_local std::string key;
    const bool timed = n % 32 == 0;
    const SteadyTime begin = timed ? std::chrono::steady_clock::now() : SteadyTime{};
    client_.send(make(operation_, key, n), Deadline::at(until_), [this, n, begin](Result<Value>&& reply) {
      if (!reply || (operation_ == "get" && reply->text.size() != value.size())) wrong_.fetch_add(1);
      if (begin != SteadyTime{}) {
        latencies_.push_back(
            std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
      }
      count_.fetch_add(1, std::memory_order_relaxed);
      if (!stop_) next(n + 1009);
      running_.fetch_sub(1, std::memory_order_relaxed);
    });
  }

  Client& client_;
  const std::string operation_;
  const SteadyTime until_ = std::chrono::steady_clock::now() + 60s;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<int> running_{0};
  std::atomic<int> wrong_{0};
  std::vector<double> latencies_;
};

Figure ours_waiting(Client& client, std::string_view operation, double seconds) {
  std::string key;
  std::vector<double> latencies;
  const double cpu_begin = cpu_us_used();
  const auto begin = std::chrono::steady_clock::now();
  auto now = begin;
  std::uint64_t n = 0;
  for (; now - begin < std::chrono::duration<double>(seconds); ++n) {
    CHECK(client.call(make(operation, key, n), Deadline::in(5s)));
    const auto after = std::chrono::steady_clock::now();
    latencies.push_back(std::chrono::duration<double, std::micro>(after - now).count());
    now = after;
  }
  const double took = std::chrono::duration<double>(now - begin).count();
  return {static_cast<double>(n) / took, (cpu_us_used() - cpu_begin) / static_cast<double>(n), median(latencies)};
}

Figure ours(const Server& server, std::string_view operation, int in_flight, double seconds) {
  auto options = parse_url("redis://" + server.address());
  auto client = Client::create(std::move(*options));
  CHECK(client && (*client)->wait_ready(Deadline::in(5s)));
  if (in_flight == 1) return ours_waiting(**client, operation, seconds);
  return Lanes(**client, operation).run(in_flight, seconds);
}

// GET over a socket that asks again and again whether the answer has come.
Figure bare(const Server& server, double seconds) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::string key, bytes;
  std::array<char, 4096> answer;
  const std::size_t wanted = value.size() + 8;
  std::vector<double> latencies;
  const double cpu_begin = cpu_us_used();
  const auto begin = std::chrono::steady_clock::now();
  auto now = begin;
  std::uint64_t n = 0;
  for (; now - begin < std::chrono::duration<double>(seconds); ++n) {
    bytes.clear();
    make("get", key, n).append_to(bytes);
    CHECK(::send(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    for (std::size_t got = 0; got < wanted;) {
      const ssize_t more = ::recv(fd, answer.data(), answer.size(), MSG_DONTWAIT);
      if (more > 0) got += static_cast<std::size_t>(more);
    }
    const auto after = std::chrono::steady_clock::now();
    latencies.push_back(std::chrono::duration<double, std::micro>(after - now).count());
    now = after;
  }
  ::close(fd);
  const double took = std::chrono::duration<double>(now - begin).count();
  return {static_cast<double>(n) / took, (cpu_us_used() - cpu_begin) / static_cast<double>(n), median(latencies)};
}

std::string output_of(const std::string& command) {
  std::string text;
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  CHECK(pipe != nullptr);
  std::array<char, 4096> part;
  for (std::size_t got; (got = std::fread(part.data(), 1, part.size(), pipe)) > 0;) text.append(part.data(), got);
  ::pclose(pipe);
  return text;
}

std::optional<Figure> rueidis(const Server& server, std::string_view operation, int in_flight, double seconds) {
  const std::string program = ".cache/peers/redis";
  if (!std::filesystem::exists(program)) return std::nullopt;
  Figure figure;
  const std::string text =
      output_of("GOMAXPROCS=1 taskset -c 1 " + program + " " + server.address() + " " + std::string(operation) + " " +
                std::to_string(in_flight) + " " + std::to_string(seconds));
  if (std::sscanf(text.c_str(), "%lf %lf %lf", &figure.per_second, &figure.cpu_us, &figure.p50_us) != 3)
    return std::nullopt;
  return figure;
}

std::optional<Figure> redis_benchmark(const Server& server, std::string_view operation, double seconds) {
  const std::string text = output_of("taskset -c 1 redis-benchmark -p " + std::to_string(server.port()) + " -t " +
                                     std::string(operation) + " -P 16 -c 50 -d 200 -r 100000 --csv -n " +
                                     std::to_string(static_cast<int>(400'000 * seconds)) + " 2>/dev/null");
  // "GET","461254.62","0.5",…
  const std::size_t at = text.find(operation == "get"   ? "\"GET\",\""
                                   : operation == "set" ? "\"SET\",\""
                                                        : "\"INCR\",\"");
  if (at == std::string::npos) return std::nullopt;
  return Figure{std::atof(text.c_str() + text.find(",\"", at) + 2), 0, 0};
}

struct Rounds {
  std::vector<double> per_second, cpu_us, p50_us;
  void add(const std::optional<Figure>& figure) {
    if (!figure) return;
    per_second.push_back(figure->per_second);
    cpu_us.push_back(figure->cpu_us);
    p50_us.push_back(figure->p50_us);
  }
};

void show(std::string_view name, const Rounds& rounds) {
  if (rounds.per_second.empty()) return;
  const auto [low, high] = std::ranges::minmax(rounds.per_second);
  std::fprintf(stderr, "  %-24.*s %9.0f/s (%.0f to %.0f)  %6.2f us CPU  p50 %7.1f us\n", static_cast<int>(name.size()),
               name.data(), median(rounds.per_second), low, high, median(rounds.cpu_us), median(rounds.p50_us));
}

// `better`: more is better, or less.
void report(const std::string& name, double ours, std::string_view unit, const std::string& peer, double theirs,
            bool more_is_better) {
  if (theirs > 0) {
    std::printf(
        "{\"bench\":\"redis\",\"case\":\"%s\",\"value\":%.6g,\"unit\":\"%.*s\",\"peer\":\"%s\",\"peer_value\":%.6g,"
        "\"ratio\":%.4g}\n",
        name.c_str(), ours, static_cast<int>(unit.size()), unit.data(), peer.c_str(), theirs,
        more_is_better ? ours / theirs : theirs / ours);
  } else {
    std::printf("{\"bench\":\"redis\",\"case\":\"%s\",\"value\":%.6g,\"unit\":\"%.*s\"}\n", name.c_str(), ours,
                static_cast<int>(unit.size()), unit.data());
  }
  std::fflush(stdout);
}

void fill(const Server& server) {
  auto client = Client::create(*parse_url("redis://" + server.address()));
  CHECK(client && (*client)->wait_ready(Deadline::in(10s)));
  std::string key;
  for (std::uint64_t from = 0; from < keys; from += 1000) {
    std::vector<Command> commands;
    for (std::uint64_t n = from; n < from + 1000; ++n) commands.push_back(make("set", key, n));
    for (const auto& reply : (*client)->pipeline(std::move(commands), Deadline::in(10s))) CHECK(reply);
  }
}

void run_case(const Server& server, std::string_view operation, int in_flight, int rounds, double seconds) {
  Rounds own, go, tool, socket;
  for (int round = 0; round < rounds; ++round) {
    own.add(ours(server, operation, in_flight, seconds));
    go.add(rueidis(server, operation, in_flight, seconds));
    if (in_flight == 128) tool.add(redis_benchmark(server, operation, seconds));
    if (in_flight == 1 && operation == "get") socket.add(bare(server, seconds));
  }
  std::fprintf(stderr, "%.*s, %d in flight\n", static_cast<int>(operation.size()), operation.data(), in_flight);
  show("chaveiro", own);
  show("rueidis", go);
  show("redis-benchmark -P 16", tool);
  show("bare spinning socket", socket);
  const std::string depth = std::to_string(in_flight);
  const std::string name = std::string(operation) + "/" + depth;
  report(name, median(own.per_second), "commands/s", "rueidis", median(go.per_second), true);
  if (!socket.p50_us.empty()) {
    report("latency_us/1", median(own.p50_us), "us", "bare spinning socket", median(socket.p50_us), false);
  }
  if (operation == "get") report("cpu_us/" + depth, median(own.cpu_us), "us", "rueidis", median(go.cpu_us), false);
  if (!tool.per_second.empty()) {
    report(name + "/redis-benchmark", median(own.per_second), "commands/s", "redis-benchmark -P 16",
           median(tool.per_second), true);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 7;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 0.4;
  const Server server;
  pin_to(1);
  fill(server);
  for (const int in_flight : {1, 16, 128, 1000}) run_case(server, "get", in_flight, rounds, seconds);
  run_case(server, "set", 128, rounds, seconds);
  run_case(server, "incr", 128, rounds, seconds);
}
