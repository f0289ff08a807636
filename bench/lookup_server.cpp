#include "bench/lookup_server.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <thread>

#include "bench/lookup_requests.h"

namespace chaveiro::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) stop(std::string("pipe: ") + std::strerror(errno));
  }
  int ends[2];
};

int start(const Command& command, int input, int output) {
  std::vector<std::string> variables;
  for (const auto& [name, value] : command.environment) variables.push_back(name + "=" + value);
  for (char** each = environ; *each != nullptr; ++each) variables.emplace_back(*each);
  std::vector<char*> arguments, environment;
  for (const std::string& word : command.words) arguments.push_back(const_cast<char*>(word.c_str()));
  for (const std::string& variable : variables) environment.push_back(const_cast<char*>(variable.c_str()));
  arguments.push_back(nullptr);
  environment.push_back(nullptr);
  const int process = ::fork();
  if (process < 0) stop(std::string("fork: ") + std::strerror(errno));
  if (process > 0) return process;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  run_on_core(command.core);
  if (input >= 0) ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::execve(arguments[0], arguments.data(), environment.data());
  std::fprintf(stderr, "cannot run %s: %s\n", arguments[0], std::strerror(errno));
  ::_exit(127);
}

// The number behind the last colon of a line ("gRPC 127.0.0.1:9090", "REST http://127.0.0.1:8080/api/v1/").
std::uint16_t port_in(const std::string& line) {
  const std::size_t colon = line.rfind(':');
  return colon == std::string::npos ? 0 : static_cast<std::uint16_t>(std::atoi(line.c_str() + colon + 1));
}

}  // namespace

void run_on_core(int core) {
  if (std::thread::hardware_concurrency() < 2 && ::sysconf(_SC_NPROCESSORS_ONLN) < 2) return;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<std::size_t>(core), &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);
}

std::string output_of(const Command& command, const std::function<void(std::FILE*)>& feed) {
  Pipe in, out;
  const int process = start(command, in.ends[0], out.ends[1]);
  ::close(in.ends[0]);
  ::close(out.ends[1]);
  std::string text;
  std::thread reading([&] {
    char piece[4096];
    for (ssize_t count; (count = ::read(out.ends[0], piece, sizeof piece)) > 0;)
      text.append(piece, static_cast<std::size_t>(count));
  });
  std::FILE* input = ::fdopen(in.ends[1], "w");
  if (feed) feed(input);
  std::fclose(input);
  reading.join();
  ::close(out.ends[0]);
  int status = 0;
  ::waitpid(process, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    stop(command.words[0] + " " + command.words[1] + " failed: " + text);
  return text;
}

Server::Server(const Command& command) {
  Pipe out;
  const auto begun = Clock::now();
  process_ = start(command, -1, out.ends[1]);
  ::close(out.ends[1]);
  output_ = out.ends[0];
  std::string line;
  for (char c; grpc_port_ == 0;) {
    if (::read(output_, &c, 1) != 1) stop(command.words[0] + " ended before it was ready");
    if (c != '\n') {
      line += c;
      continue;
    }
    if (line.find("REST") != std::string::npos) rest_port_ = port_in(line);
    if (line.find("gRPC") != std::string::npos) grpc_port_ = port_in(line);
    line.clear();
  }
  start_time_ = Clock::now() - begun;
}

Server::~Server() {
  ::kill(process_, SIGTERM);
  for (int i = 0; i < 3000; ++i) {
    if (::waitpid(process_, nullptr, WNOHANG) == process_) process_ = -1;
    if (process_ < 0) break;
    ::usleep(10'000);
  }
  if (process_ > 0) {
    std::fprintf(stderr, "lookup: the server did not stop within 30 s\n");
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  ::close(output_);
}

double Server::resident_mib() const {
  std::ifstream in("/proc/" + std::to_string(process_) + "/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("VmRSS:")) return std::atof(line.c_str() + 6) / 1024;
  return 0;
}

std::chrono::duration<double> processor_time(int process) {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &time) != 0)
    stop("cannot read the processor time of process " + std::to_string(process) + ": has it died?");
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

bool wait_for_quiet() {
  struct Spent {
    double all = 0, idle = 0;
  };
  const auto spent = [] {
    std::ifstream in("/proc/stat");
    std::string name;
    in >> name;
    Spent sum;
    for (int column = 0; column < 8; ++column) {
      double value = 0;
      in >> value;
      sum.all += value;
      if (column == 3) sum.idle = value;
    }
    return sum;
  };
  for (int i = 0; i < 30; ++i) {
    const Spent before = spent();
    std::this_thread::sleep_for(std::chrono::seconds(2));
    const Spent after = spent();
    if (after.idle - before.idle >= 0.96 * (after.all - before.all)) return true;
  }
  return false;
}

}  // namespace chaveiro::bench
