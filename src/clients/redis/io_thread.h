// clients/redis/io_thread.h
//
// IoThread: one thread with the sockets that live on it: it waits for them, calls who owns them, runs what others post, and tells
// everybody the time. What callbacks write is collected and sent when the replies of one socket have been delivered, or a good part of
// them: the server works on what the first ones asked for while the rest is delivered.
//
// Threads: post(), at(), wake_by() from any thread; add(), remove() and flush_later() on this thread only. Everything runs on it.
// Time:    a tick comes at least every 100 ms and by the time that wake_by() named.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "clients/redis/wire/callback.h"
#include "clients/redis/wire/spin.h"

struct epoll_event;

namespace chaveiro::redis {

struct Nothing {};
using Task = Once<Nothing>;

class IoThread {
 public:
  class Source {
   public:
    virtual ~Source() = default;
    virtual void on_events(std::uint32_t epoll_events) = 0;
    // Mind your time limits; when do you want to be asked again?
    virtual SteadyTime on_tick(SteadyTime now) = 0;
    virtual void flush() = 0;
    // Answers are near: worth waiting for awake.
    virtual bool expects_soon() = 0;
  };

  explicit IoThread(Micros spin_max);
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  // Runs what was posted before, then ends. Tasks posted later are dropped.
  void stop();

  // False: the thread has ended, and the task was dropped.
  bool post(Task task);
  void at(SteadyTime when, Task task);
  // Runs it there and returns when it has run; at once when called there or when the thread has ended.
  template <class Fn>
  void run(Fn&& fn) {
    if (here()) return fn();
    Guarded<bool> ran(false);
    const bool taken = post([&](Nothing) {
      fn();
      ran.with([&](bool& it) {
        it = true;
        ran.notify_one();
      });
    });
    if (!taken) return fn();
    ran.lock().wait(Deadline::never(), [](bool it) { return it; });
  }
  // The next tick is not later than this.
  void wake_by(SteadyTime when);
  bool here() const;
  // This thread is one of the IoThreads.
  static bool on_any();

  void add(std::shared_ptr<Source> source);
  void remove(Source& source);
  void flush_later(Source& source);
  // Now what was to be flushed later. On this thread.
  void flush_all();

  // The socket's events go to the source; 0: none for now. From any thread.
  void watch(int fd, Source& source, std::uint32_t epoll_events);
  void rewatch(int fd, Source& source, std::uint32_t epoll_events);
  void unwatch(int fd);

 private:
  struct Timed {
    SteadyTime when;
    std::uint64_t order;
    Task task;
    bool operator<(const Timed& other) const { return std::pair(when, order) > std::pair(other.when, other.order); }
  };
  struct Inbox {
    std::vector<Task> tasks;
    std::vector<Timed> timers;  // a heap, the nearest first
    std::uint64_t timers_made = 0;
    SteadyTime tick_at = SteadyTime::max();
    bool sleeping = false;
    bool stopping = false;
    bool ended = false;
  };

  void run();
  bool take_work(std::vector<Task>& tasks);
  void tick_if_due();
  int wait(epoll_event* events);
  void wake();

  const int epoll_;
  const int event_;
  Spin spin_;
  Guarded<Inbox> inbox_;
  // Of the thread itself.
  std::vector<std::shared_ptr<Source>> sources_;
  std::vector<Source*> to_flush_;
  std::vector<Source*> flushing_;
  std::thread thread_;
};

}  // namespace chaveiro::redis
