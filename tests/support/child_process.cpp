#include "tests/support/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/guarded.h"

namespace chaveiro::tests {
namespace {

bool is_program(const std::string& path) {
  return ::access(path.c_str(), X_OK) == 0 && !std::filesystem::is_directory(path);
}

struct Program {
  std::string path, name;
};

// The servers' programs are those that check their files, called by another name.
Program find(const std::string& name) {
  if (name.find('/') != std::string::npos && is_program(name)) return {name, name};
  const char* path = std::getenv("PATH");
  std::stringstream folders(std::string(path == nullptr ? "" : path) + ":" CHAVEIRO_SOURCE "/.cache/tools/bin");
  std::string other;
  if (const auto server = name.find("-server"); server != std::string::npos)
    other = name.substr(0, server) + "-check-rdb";
  for (std::string folder; std::getline(folders, folder, ':');) {
    for (const std::string& candidate : {name, other}) {
      if (!candidate.empty() && is_program(folder + "/" + candidate)) return {folder + "/" + candidate, name};
    }
  }
  throw std::runtime_error("there is no " + name + " on this machine: ./dev setup test");
}

[[noreturn]] void become(const Program& program, const ChildStart& start, char* const* arguments, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(126);
  const int log = ::open(start.log.empty() ? "/dev/null" : start.log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, 0), ::dup2(log, 1), ::dup2(log, 2);
  ::syscall(SYS_close_range, 3U, ~0U, 0U);
  if (!start.folder.empty() && ::chdir(start.folder.c_str()) != 0) ::_exit(126);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(program.path.c_str(), arguments);
  ::_exit(127);
}

// The kernel ends a child when the thread that made it ends: all are made by one thread that lasts as long as the process.
class Maker {
 public:
  static Maker& it() {
    static auto* const maker = new Maker;
    return *maker;
  }
  pid_t make(const ChildStart& start) {
    Job job{start, find(start.program), 0};
    jobs_.lock()->push_back(&job);
    jobs_.notify_all();
    (void)jobs_.lock().wait(Deadline::never(), [&](const std::deque<Job*>&) { return job.pid != 0; });
    if (job.pid < 0) throw std::runtime_error("cannot start " + start.program);
    return job.pid;
  }

 private:
  struct Job {
    const ChildStart& start;
    Program program;
    pid_t pid;  // written under the lock of jobs_
  };

  Maker() {
    std::thread([this] { run(); }).detach();
  }
  [[noreturn]] void run() {
    while (true) {
      auto jobs = jobs_.lock();
      (void)jobs.wait(Deadline::never(), [](const std::deque<Job*>& all) { return !all.empty(); });
      Job& job = *jobs->front();
      jobs->pop_front();
      job.pid = start(job);
      jobs_.notify_all();
    }
  }
  static pid_t start(const Job& job) {
    std::vector<std::string> words{job.program.name};
    words.insert(words.end(), job.start.arguments.begin(), job.start.arguments.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) become(job.program, job.start, arguments.data(), parent);
    return child;
  }

  Guarded<std::deque<Job*>> jobs_;
};

}  // namespace

ChildProcess::ChildProcess(const ChildStart& start) : pid_(Maker::it().make(start)) {}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    kill();
    pid_ = std::exchange(other.pid_, 0);
  }
  return *this;
}

bool ChildProcess::running() {
  if (pid_ == 0) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == 0) return true;
  pid_ = 0;
  return false;
}

void ChildProcess::signal(int number) const {
  if (pid_ != 0) ::kill(pid_, number);
}

void ChildProcess::kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
  pid_ = 0;
}

}  // namespace chaveiro::tests
