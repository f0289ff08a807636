// base/guarded.h
//
// Guarded<T>: data inside its lock. The value can be reached only while the lock is held, so that "who protects this?"
// has one answer and forgetting the lock does not compile. Waiting for the data to change belongs to it too.
//
//   Guarded<Queue> queue;
//   queue.with([&](Queue& q) { q.push(job); });      // one step
//   queue.notify_one();
//   auto q = queue.lock();                           // several statements; the lock ends with `q`
//   if (!q.wait(deadline, [](const Queue& it) { return !it.empty(); })) return too_late();
//
// Threads: any. Not recursive: a thread that holds the lock and asks again hangs. Never hold it over I/O.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/clock.h"

namespace chaveiro {

template <class T>
class Guarded {
  template <class Value>
  class Access;

 public:
  using Locked = Access<T>;
  using LockedConst = Access<const T>;

  Guarded() : value_() {}
  explicit Guarded(T value) : value_(std::move(value)) {}
  // For values that can be neither copied nor moved.
  template <class... Args>
  explicit Guarded(std::in_place_t, Args&&... args) : value_(std::forward<Args>(args)...) {}

  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  Locked lock() { return Locked(value_, mutex_, changed_); }
  LockedConst lock() const { return LockedConst(value_, mutex_, changed_); }

  // Runs fn(value) under the lock and returns what it returns, by value: no reference to the data leaves.
  template <class Fn>
  auto with(Fn&& fn) {
    std::scoped_lock lock(mutex_);
    return std::forward<Fn>(fn)(value_);
  }
  template <class Fn>
  auto with(Fn&& fn) const {
    std::scoped_lock lock(mutex_);
    return std::forward<Fn>(fn)(value_);
  }

  // Wakes those who wait for a change. Best after the lock is given back; within with() if they may destroy this once they see it.
  void notify_one() { changed_.notify_one(); }
  void notify_all() { changed_.notify_all(); }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  T value_;
};

template <class T>
template <class Value>
class [[nodiscard]] Guarded<T>::Access {
 public:
  Value* operator->() const { return value_; }
  Value& operator*() const { return *value_; }

  // Gives the lock back until ready(value) holds or the deadline passes, and holds it again either way.
  // Returns what ready(value) says at the end: a value that became ready at the last moment counts.
  template <class Ready>
  bool wait(Deadline deadline, Ready ready) {
    const auto holds = [&] { return static_cast<bool>(ready(std::as_const(*value_))); };
    if (deadline == Deadline::never()) {
      changed_->wait(lock_, holds);
      return true;
    }
    return changed_->wait_until(lock_, deadline.when(), holds);
  }

 private:
  friend class Guarded<T>;
  Access(Value& value, std::mutex& mutex, std::condition_variable& changed)
      : value_(&value), changed_(&changed), lock_(mutex) {}

  Value* value_;
  std::condition_variable* changed_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace chaveiro
