#include "bench/pulsar_perf.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/check.h"
#include "clients/pulsar/admin.h"

namespace chaveiro::bench {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t lines_before = 1, lines_counted = 1;  // one in ten seconds, whatever the interval asked for

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

std::string java_home() {
  for (const auto& at : fs::directory_iterator("/usr/lib/jvm"))
    if (at.path().filename().string().starts_with("java-17-openjdk") && fs::exists(at.path() / "bin/java"))
      return at.path().string();
  stop("pulsar-perf needs Java 17: ./dev setup test");
}

// Seconds of CPU that a process has used.
double cpu_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

// "Throughput produced:  1234 msg ---  5678.0 msg/s" and "Throughput received: …": how many in all.
bool total_in(const std::string& line, double& total) {
  const std::size_t at = line.find("Throughput ");
  const std::size_t end = line.find(" msg ", at == std::string::npos ? 0 : at);
  if (at == std::string::npos || end == std::string::npos) return false;
  const std::size_t colon = line.find(':', at);
  total = std::strtod(line.c_str() + colon + 1, nullptr);
  return true;
}

}  // namespace

PerfBroker::PerfBroker() : folder_((fs::current_path() / ".cache/servers/pulsar-bench").string()) {
  const std::string up = "PULSAR_FOLDER='" + folder_ + "' tools/servers/pulsar.sh up >/dev/null";
  if (std::system(up.c_str()) != 0) stop("the broker does not start");
  std::ifstream in(folder_ + "/url");
  in >> url_ >> admin_url_;
}

PerfBroker::~PerfBroker() {
  const std::string down = "PULSAR_FOLDER='" + folder_ + "' tools/servers/pulsar.sh down";
  if (std::system(down.c_str()) != 0) std::fprintf(stderr, "the broker does not end\n");
}

void PerfBroker::keep(const std::string& topic) const {
  const auto admin = clients::pulsar::Admin::make({.url = admin_url_, .token = {}, .tls = {}}).value();
  const Deadline deadline = Deadline::in(std::chrono::seconds{30});
  CHECK(admin->create_topic(topic, 1, deadline).has_value());
  CHECK(admin->keep(topic, {}, deadline).has_value());
}

Rate PerfBroker::perf(const std::string& arguments) const {
  int pipe_ends[2];
  CHECK(::pipe(pipe_ends) == 0);
  const std::string command =
      "exec .cache/pulsar/4.0.8/bin/pulsar-perf " + arguments + " -i 1 -time 22 -u " + url_ + " 2>&1";
  const std::string home = java_home(), logs = folder_ + "/logs";
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(pipe_ends[1], 1);
    ::close(pipe_ends[0]);
    ::setenv("JAVA_HOME", home.c_str(), 1);
    ::setenv("PULSAR_LOG_DIR", logs.c_str(), 1);
    ::setenv("PULSAR_MEM", "-Xms256m -Xmx512m -XX:MaxDirectMemorySize=512m", 1);
    ::execl("/bin/bash", "bash", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(pipe_ends[1]);
  FILE* const out = ::fdopen(pipe_ends[0], "r");
  std::array<char, 4096> text{};
  struct Seen {
    std::chrono::steady_clock::time_point at;
    double total, cpu;
  };
  std::vector<Seen> seen;
  std::string all;
  while (std::fgets(text.data(), text.size(), out) != nullptr) {
    double total = 0;
    if (total_in(text.data(), total)) seen.push_back({std::chrono::steady_clock::now(), total, cpu_of(pid)});
    if (all.size() < 20'000) all += text.data();
  }
  std::fclose(out);
  ::waitpid(pid, nullptr, 0);
  if (seen.size() < lines_before + lines_counted) stop("pulsar-perf gave no figures:\n" + all);
  const Seen &from = seen[lines_before - 1], &to = seen[lines_before + lines_counted - 1];
  const double count = to.total - from.total;
  return {count / std::chrono::duration<double>(to.at - from.at).count(), 1e6 * (to.cpu - from.cpu) / count};
}

}  // namespace chaveiro::bench
