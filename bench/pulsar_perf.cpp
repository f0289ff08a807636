#include "bench/pulsar_perf.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "bench/output_of.h"
#include "clients/pulsar/admin.h"

namespace chaveiro::bench {
namespace {

namespace fs = std::filesystem;
constexpr auto warm_up = std::chrono::seconds{8}, measured = std::chrono::seconds{4};

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

}  // namespace

PerfBroker::PerfBroker() : folder_((fs::current_path() / ".cache/servers/pulsar-bench").string()) {
  // What a run that failed has left is of no use.
  const std::string at = "PULSAR_FOLDER='" + folder_ + "' tools/servers/pulsar.sh ";
  const std::string up = at + "down && " + at + "up >/dev/null";
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

// How many messages the broker has counted: its figures tell the same of whoever the client is. 0: none, or no more are left.
double PerfBroker::counted(const std::string& topic, const std::string& subscription) const {
  std::string path = subscription.empty() ? topic : topic + "-partition-0";
  path.replace(path.find("://"), 3, "/");
  const std::string text = output_of("curl -fsS " + admin_url_ + "/admin/v2/" + path + "/stats 2>/dev/null");
  boost::system::error_code failed;
  const auto told = boost::json::parse(text, failed);
  if (failed) return 0;
  const auto number = [&](const std::string& at) {
    const auto* const found = told.find_pointer(at, failed);
    return found == nullptr ? 0 : found->to_number<double>();
  };
  if (subscription.empty()) return number("/msgInCounter");
  const std::string its = "/subscriptions/" + subscription;
  return number(its + "/msgBacklog") > 0 ? number(its + "/msgOutCounter") : 0;
}

Rate PerfBroker::perf(const std::string& arguments, const std::string& topic, const std::string& subscription) const {
  const std::string command =
      "exec .cache/pulsar/4.0.8/bin/pulsar-perf " + arguments + " -time 60 -u " + url_ + " " + topic;
  const std::string home = java_home(), logs = folder_ + "/logs", output = folder_ + "/pulsar-perf.log";
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::setenv("JAVA_HOME", home.c_str(), 1);
    ::setenv("PULSAR_LOG_DIR", logs.c_str(), 1);
    ::setenv("PULSAR_MEM", "-Xms256m -Xmx512m -XX:MaxDirectMemorySize=512m", 1);
    ::execl("/bin/bash", "bash", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  struct Seen {
    std::chrono::steady_clock::time_point at;
    double total, cpu;
  };
  const auto look = [&] { return Seen{std::chrono::steady_clock::now(), counted(topic, subscription), cpu_of(pid)}; };
  std::this_thread::sleep_for(warm_up);
  const Seen from = look();
  std::this_thread::sleep_for(measured);
  const Seen to = look();
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  const double count = to.total - from.total;
  if (count <= 0) stop("pulsar-perf moved nothing, or came to the end: " + output_of("tail -c 2000 " + output));
  return {count / std::chrono::duration<double>(to.at - from.at).count(), 1e6 * (to.cpu - from.cpu) / count};
}

}  // namespace chaveiro::bench
