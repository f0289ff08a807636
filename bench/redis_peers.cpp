#include "bench/redis_peers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/check.h"
#include "bench/output_of.h"

namespace chaveiro::bench {
namespace {

const std::string value(redis_value_size, 'x');

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

}  // namespace

void pin_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

RedisServer::RedisServer() : port_(free_port()), pid_(::fork()) {
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin_to(0);
  const int nothing = ::open("/dev/null", O_RDWR);
  ::dup2(nothing, 1);
  const std::string port = std::to_string(port_);
  ::execlp("redis-server", "redis-server", "--port", port.c_str(), "--bind", "127.0.0.1", "--save", "", "--appendonly",
           "no", "--dir", "/tmp", nullptr);
  std::fprintf(stderr, "bench redis: there is no redis-server\n");
  ::_exit(127);
}
RedisServer::~RedisServer() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void write_key(std::string& into, std::uint64_t n, std::uint64_t of) {
  n = n * 2'654'435'761 % of;
  into.assign("key:000000000000");
  for (std::size_t at = into.size() - 1; n > 0; --at, n /= 10) into[at] = static_cast<char>('0' + n % 10);
}

redis::Command make_command(std::string_view operation, std::string& key, std::uint64_t n) {
  write_key(key, n);
  if (operation == "get") return redis::Command("GET", key);
  if (operation == "set") return redis::Command("SET", key, value);
  return redis::Command("INCR", "counter:" + key);
}

std::optional<Figure> rueidis(const RedisServer& server, std::string_view operation, int in_flight, double seconds) {
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

std::optional<Figure> redis_benchmark(const RedisServer& server, std::string_view operation, double seconds) {
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

Figure bare_socket(const RedisServer& server, double seconds) {
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
    make_command("get", key, n).append_to(bytes);
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

}  // namespace chaveiro::bench
