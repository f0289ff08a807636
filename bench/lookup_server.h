// bench/lookup_server.h
//
// A server of its own process on its own core, as the benchmark starts, watches and ends it. It dies with the benchmark.
//
// Threads: one; a server ends when the thread that started it does.
// Errors:  what cannot be started ends the program and shows what it said.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace chaveiro::bench {

inline constexpr int server_core = 0, load_core = 1;

// Binds this thread and what it starts; does nothing on a machine with one core.
void run_on_core(int core);

struct Command {
  std::vector<std::string> words;                       // the first is the program's file
  std::map<std::string, std::string> environment = {};  // beside our own
  int core = server_core;
};

// Runs it to its end and returns what it wrote to standard output. `feed` writes its standard input.
std::string output_of(const Command& command, const std::function<void(std::FILE*)>& feed = {});

class Server {
 public:
  // Waits until a line with "gRPC" has told the port.
  explicit Server(const Command& command);
  ~Server();  // SIGTERM, and an end by force after 30 s
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int process() const { return process_; }
  std::uint16_t grpc_port() const { return grpc_port_; }
  std::uint16_t rest_port() const { return rest_port_; }  // 0: it has none
  std::chrono::duration<double> start_time() const { return start_time_; }
  double resident_mib() const;

 private:
  int process_ = -1;
  int output_ = -1;
  std::uint16_t grpc_port_ = 0, rest_port_ = 0;
  std::chrono::duration<double> start_time_{};
};

// Of all its threads, since it began.
std::chrono::duration<double> processor_time(int process);

// Waits up to a minute for two seconds in which all cores are at least 96 % idle. Returns whether they came.
bool wait_for_quiet();

}  // namespace chaveiro::bench
