// tests/support/child_process.h
//
// A program that a test starts and that cannot outlive the test: it is killed when the object goes, and by the kernel when the test
// itself dies.
//
// Threads: any, one call at a time for each object.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace chaveiro::tests {

struct ChildStart {
  std::string program;                 // looked for on PATH and in the tools that ./dev setup unpacked
  std::vector<std::string> arguments;  // without the program's own name
  std::string folder;                  // where it runs
  std::string log;                     // file that takes what it prints
};

class ChildProcess {
 public:
  ChildProcess() = default;
  // Throws where there is no such program: the test fails.
  explicit ChildProcess(const ChildStart& start);
  ~ChildProcess() { kill(); }
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number) const;
  // SIGKILL, and waits until it is gone.
  void kill();

 private:
  pid_t pid_ = 0;
};

}  // namespace chaveiro::tests
