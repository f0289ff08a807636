// What our HTTP server costs: a GET with an answer of 150 bytes over 64 kept connections, one request in flight on each. Server on
// core 0, load on core 1, in turns with nginx's `return 200` of the same body where nginx is on PATH: seven rounds of 0.5 s each.
// `cpu` is the server's own time a request, which is steadier than requests a second.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "net/server.h"

namespace chaveiro::net {
namespace {

using namespace std::chrono_literals;

constexpr int connections = 64;
constexpr int rounds = 7;
constexpr auto round_time = 500ms;
const std::string body(150, 'x');
constexpr std::string_view request = "GET /lookup HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";

void pin_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// Microseconds of CPU that a process and its threads have used.
double cpu_of(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string field;
  double ticks = 0;
  for (int i = 1; i <= 15 && stat >> field; ++i) {
    if (i >= 14) ticks += std::stod(field);
  }
  return ticks * 1e6 / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

struct Round {
  double per_second = 0;
  double cpu_us = 0;
};

// A server process on core 0, reached over kept connections from this one.
class Target {
 public:
  Target(pid_t pid, std::uint16_t port) : pid_(pid), epoll_(::epoll_create1(0)) {
    for (int i = 0; i < connections; ++i) {
      const int fd = wait_for(port);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = fd;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
      fds_.push_back(fd);
    }
    // The first answer shows how long every one is.
    CHECK(::send(fds_[0], request.data(), request.size(), 0) > 0);
    char bytes[4096];
    const ssize_t got = ::recv(fds_[0], bytes, sizeof bytes, 0);
    CHECK(got > 0);
    answer_ = std::string(bytes, static_cast<std::size_t>(got));
    CHECK(answer_.starts_with("HTTP/1.1 200") && answer_.ends_with("\r\n\r\n" + body));
  }
  ~Target() {
    for (const int fd : fds_) ::close(fd);
    ::close(epoll_);
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  std::size_t answer_size() const { return answer_.size(); }

  Round run() {
    const double cpu_before = cpu_of(pid_);
    const auto begin = std::chrono::steady_clock::now();
    const auto end = begin + round_time;
    for (const int fd : fds_) ask(fd);
    std::size_t answered = 0;
    std::size_t open = fds_.size();
    epoll_event events[connections];
    while (open > 0) {
      const int ready = ::epoll_wait(epoll_, events, connections, 5'000);
      CHECK(ready > 0);
      const bool over = std::chrono::steady_clock::now() >= end;
      for (int i = 0; i < ready; ++i) {
        char bytes[4096];
        const ssize_t got = ::recv(events[i].data.fd, bytes, sizeof bytes, 0);
        CHECK(got == static_cast<ssize_t>(answer_.size()));  // small answers on the loopback come whole
        CHECK(std::string_view(bytes, 12) == "HTTP/1.1 200");
        ++answered;
        if (over) {
          --open;
        } else {
          ask(events[i].data.fd);
        }
      }
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double count = static_cast<double>(answered);
    return {count / seconds, (cpu_of(pid_) - cpu_before) / count};
  }

 private:
  static int wait_for(std::uint16_t port) {
    const auto until = std::chrono::steady_clock::now() + 5s;
    for (;;) {
      const int fd = connect_to(port);
      if (fd >= 0) return fd;
      CHECK(std::chrono::steady_clock::now() < until);
      ::usleep(10'000);
    }
  }
  static void ask(int fd) {
    CHECK(::send(fd, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
  }

  pid_t pid_;
  int epoll_;
  std::vector<int> fds_;
  std::string answer_;
};

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  CHECK(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

pid_t start_ours(std::uint16_t port) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  pin_to(0);
  auto server =
      HttpServer::start({.port = port}, [](Request, Responder responder) { responder.send(text_response(200, body)); });
  CHECK(server.has_value());
  ::pause();
  ::_exit(0);
}

std::optional<std::string> nginx_on_path() {
  std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
  path += ":/usr/sbin";
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string file = path.substr(begin, end - begin) + "/nginx";
    if (::access(file.c_str(), X_OK) == 0) return file;
    begin = end + 1;
  }
  return std::nullopt;
}

pid_t start_nginx(const std::string& program, const std::filesystem::path& folder, std::uint16_t port) {
  const std::string dir = folder.string();
  std::ofstream(dir + "/nginx.conf")
      << "daemon off; master_process off; pid " << dir << "/pid; error_log stderr crit;\n"
      << "events { worker_connections 1024; }\nhttp { access_log off; keepalive_requests 1000000000;\n"
      << "client_body_temp_path " << dir << "/b; proxy_temp_path " << dir << "/p; fastcgi_temp_path " << dir
      << "/f; uwsgi_temp_path " << dir << "/u; scgi_temp_path " << dir << "/s;\n"
      << "server { listen 127.0.0.1:" << port << "; location / { default_type text/plain; return 200 \"" << body
      << "\"; } } }\n";
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  pin_to(0);
  const std::string config = dir + "/nginx.conf";
  ::execl(program.c_str(), "nginx", "-p", dir.c_str(), "-c", config.c_str(), static_cast<char*>(nullptr));
  ::_exit(1);
}

struct Figure {
  double median, minimum, maximum;
};

Figure figure_of(const std::vector<Round>& all, double Round::* which) {
  std::vector<double> values;
  for (const Round& round : all) values.push_back(round.*which);
  std::ranges::sort(values);
  return {values[values.size() / 2], values.front(), values.back()};
}

void print(const char* name, const char* unit, Figure ours, std::optional<Figure> theirs, bool more_is_better) {
  std::fprintf(stderr, "%-16s %10.2f %s (%.2f – %.2f)", name, ours.median, unit, ours.minimum, ours.maximum);
  std::printf("{\"bench\":\"net\",\"case\":\"%s\",\"value\":%.2f,\"unit\":\"%s\"", name, ours.median, unit);
  if (theirs) {
    const double ratio = more_is_better ? ours.median / theirs->median : theirs->median / ours.median;
    std::fprintf(stderr, "   nginx return 200: %.2f (%.2f – %.2f): %.2f", theirs->median, theirs->minimum,
                 theirs->maximum, ratio);
    std::printf(",\"peer\":\"nginx return 200\",\"peer_value\":%.2f,\"ratio\":%.2f", theirs->median, ratio);
  }
  std::fprintf(stderr, "\n");
  std::printf("}\n");
}

int run() {
  const std::optional<std::string> nginx = nginx_on_path();
  std::string pattern = (std::filesystem::temp_directory_path() / "bench_net_XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  std::vector<Round> ours;
  std::vector<Round> theirs;
  {
    const std::uint16_t our_port = free_port();
    Target us(start_ours(our_port), our_port);
    std::optional<Target> peer;
    if (nginx) {
      const std::uint16_t port = free_port();
      peer.emplace(start_nginx(*nginx, folder, port), port);
      std::fprintf(stderr, "answers: ours %zu bytes, nginx %zu bytes\n", us.answer_size(), peer->answer_size());
    } else {
      std::fprintf(stderr, "nginx is not on PATH: our figures stand alone\n");
    }
    pin_to(1);
    us.run();
    if (peer) peer->run();
    for (int i = 0; i < rounds; ++i) {
      ours.push_back(us.run());
      if (peer) theirs.push_back(peer->run());
    }
  }
  std::filesystem::remove_all(folder);
  const auto of_peer = [&](double Round::* which) {
    return theirs.empty() ? std::nullopt : std::optional<Figure>(figure_of(theirs, which));
  };
  print("get/150B", "requests/s", figure_of(ours, &Round::per_second), of_peer(&Round::per_second), true);
  print("cpu_us/150B", "us", figure_of(ours, &Round::cpu_us), of_peer(&Round::cpu_us), false);
  return 0;
}

}  // namespace
}  // namespace chaveiro::net

int main() { return chaveiro::net::run(); }
