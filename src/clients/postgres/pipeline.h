// clients/postgres/pipeline.h
//
// Reads of one statement each, from any number of callers, on a few shared connections: what waits is sent together, each with a
// segment of its own (whose rows it may see, the statement, Sync), so that one caller's fault is nobody else's. One thread drives the
// sockets by epoll; it connects again by itself and asks a read that a broken connection lost once more.
//
// Threads: call() and run() from any; completions run on the pipeline's thread, must be quick and must not wait.
// Time:    a caller is freed at its deadline; the late answer is dropped.
// Errors:  exhausted "ReadQueueFull", deadline, and those of errors.h. Where no connection can be had, a second try on each included, a call is
//          answered with what connecting failed with.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "clients/postgres/session.h"

namespace chaveiro::clients::postgres {

struct PipelineOptions {
  Target target;
  std::size_t connections = 2;             // at least 1
  std::size_t in_flight_max = 256;         // calls on one connection
  std::size_t queue_max = 20'000;          // calls that wait; one more is refused
  Micros silence_max = Micros(4'000'000);  // a connection that owes answers and sends nothing for so long is given up
};

class Pipeline {
 public:
  using Done = std::function<void(Result<Rows>)>;
  struct Call {
    std::string_view sql;  // must stay where it is
    Params params;
    std::string ispbs;  // whose rows it sees
    Deadline deadline = Deadline::never();
    Done done;
    int tries = 0;
  };

  explicit Pipeline(PipelineOptions options);
  // What waits is answered with `unavailable`.
  ~Pipeline();

  void call(Call call);
  Result<Rows> run(std::string_view sql, Params params, std::string ispbs, Deadline deadline);

  struct Counts {
    std::uint64_t calls = 0, retried = 0, late = 0, connects = 0, trips = 0;  // trips: times that something was sent
    std::size_t ready = 0;                                                    // connections
  };
  Counts counts() const;

 private:
  struct Line {  // one connection
    std::unique_ptr<Session> session;
    bool ready = false;
    int registered = -1;  // the socket that epoll watches
    unsigned events = 0;
    std::deque<Call> in_flight;
    int answers_read = 0;  // of the segment at the front
    std::optional<Result<Rows>> answer;
    SteadyTime heard{};
    SteadyTime next_try{};
    SteadyTime give_up{};  // while connecting
    Micros pause{0};
    int failures = 0;  // to connect, in a row
  };
  struct Shared {
    std::vector<Call> queue;
    bool stopping = false;
    Counts counts;
  };

  void loop();
  void take_new();
  void send_waiting();
  void connect(Line& line);
  void go_on_connecting(Line& line);
  void read(Line& line);
  void watch(Line& line);
  void forget(Line& line, const Error& why);
  bool hopeless() const;
  void finish(Call call, Result<Rows> rows);
  void expire();
  void look_for_silence();
  int pause() const;

  const PipelineOptions options_;
  Guarded<Shared> shared_;
  int epoll_;
  int wake_;
  // Of the thread alone.
  std::vector<Line> lines_;
  std::deque<Call> waiting_;
  std::optional<Error> connect_error_;
  SteadyTime next_expiry_ = SteadyTime::max();
  Counts counts_;
  std::thread thread_;
};

}  // namespace chaveiro::clients::postgres
