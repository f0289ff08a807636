// clients/pulsar/loop.h
//
// Loop: the one thread of a client. It waits for sockets, runs what others post and what has become due. Whatever belongs to it is
// touched by it alone and needs no lock.
//
// Threads: post(), at() and run() from any; the rest on this thread only.
// Time:    post() about 0.1 µs where the thread is awake, a system call more where it sleeps.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"

namespace chaveiro::clients::pulsar {

class Loop {
 public:
  using Task = std::function<void()>;
  using OnEvents = std::function<void(std::uint32_t epoll_events)>;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs what was posted before, then ends. What is posted later is dropped.
  void stop();

  void post(Task task);
  void at(SteadyTime when, Task task);
  // Runs it there and returns when it has run; at once when called there or when the thread has ended.
  void run(const Task& task);
  // For threads that may outlive the loop: null inside once it goes.
  const std::shared_ptr<Guarded<Loop*>>& door() const { return door_; }
  bool here() const { return std::this_thread::get_id() == thread_.get_id(); }

  void watch(int fd, std::uint32_t epoll_events, OnEvents on_events);
  void rewatch(int fd, std::uint32_t epoll_events);
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
    bool sleeping = false;
    bool stopping = false;
    bool ended = false;
  };

  void work();
  bool take(std::vector<Task>& tasks);
  int wait_ms();
  void wake() const;

  const int epoll_;
  const int event_;
  Guarded<Inbox> inbox_;
  const std::shared_ptr<Guarded<Loop*>> door_ = std::make_shared<Guarded<Loop*>>(this);
  std::unordered_map<int, std::shared_ptr<OnEvents>> watched_;
  std::thread thread_;
};

}  // namespace chaveiro::clients::pulsar
