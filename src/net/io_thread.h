// net/io_thread.h
//
// One thread of the server with the connections that live on it: runs their events, tells them the time at even intervals,
// and ends them. Everything about a connection happens here, so connections need no locks.
//
// Threads: post(), context() and the stop functions from any thread; the rest on this thread only.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"

namespace chaveiro::net {

class ServedConnection {
 public:
  virtual ~ServedConnection() = default;
  virtual void tick(SteadyTime now) = 0;  // look at your time limits
  virtual void drain() = 0;               // close when nothing is under way, and after the next answer otherwise
  virtual void kill() = 0;                // close now

  std::size_t place = 0;  // in its thread's list
};

class IoThread {
 public:
  explicit IoThread(std::chrono::milliseconds tick_interval);
  ~IoThread();

  void start();
  boost::asio::io_context& context() { return context_; }

  // Runs fn on this thread, later; dropped when the thread has ended.
  template <class Fn>
  void post(Fn&& fn) {
    open_.with([&](bool open) {
      if (open) boost::asio::post(context_, std::forward<Fn>(fn));
    });
  }

  void drain();          // every connection, soon
  void kill_and_join();  // every connection; returns when the thread has ended

  void add(std::shared_ptr<ServedConnection> connection);
  void remove(ServedConnection& connection);
  bool draining() const { return draining_; }
  std::string_view date() const { return date_; }  // "Date: …\r\n", at most a tick old

 private:
  void wait_for_tick();
  void tick();

  const std::chrono::milliseconds tick_interval_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer timer_;
  std::vector<std::shared_ptr<ServedConnection>> connections_;
  std::string date_;
  bool draining_ = false;
  bool ended_ = false;
  Guarded<bool> open_{true};
  std::thread thread_;
};

}  // namespace chaveiro::net
