#include "clients/pulsar/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace chaveiro::clients::pulsar {

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  CHECK(epoll_ >= 0 && event_ >= 0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = event_;
  CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &event) == 0);
  thread_ = std::thread([this] { work(); });
}

Loop::~Loop() {
  stop();
  ::close(event_);
  ::close(epoll_);
}

void Loop::stop() {
  if (!thread_.joinable()) return;
  CHECK(!here());
  *door_->lock() = nullptr;
  inbox_.lock()->stopping = true;
  wake();
  thread_.join();
  // What never ran may hold the last reference to something that posts: it goes outside the lock.
  Inbox rest;
  {
    auto inbox = inbox_.lock();
    rest.tasks.swap(inbox->tasks);
    rest.timers.swap(inbox->timers);
  }
}

void Loop::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_, &one, sizeof one);
}

void Loop::post(Task task) {
  const bool asleep = inbox_.with([&](Inbox& inbox) {
    if (inbox.ended) return false;
    inbox.tasks.push_back(std::move(task));
    return std::exchange(inbox.sleeping, false);
  });
  if (asleep) wake();
}

void Loop::at(SteadyTime when, Task task) {
  const bool asleep = inbox_.with([&](Inbox& inbox) {
    if (inbox.ended) return false;
    const bool nearest = inbox.timers.empty() || when < inbox.timers.front().when;
    inbox.timers.push_back({when, inbox.timers_made++, std::move(task)});
    std::push_heap(inbox.timers.begin(), inbox.timers.end());
    return nearest && std::exchange(inbox.sleeping, false);
  });
  if (asleep) wake();
}

void Loop::run(const Task& task) {
  if (here()) return task();
  Guarded<bool> ran(false);
  const bool ended = inbox_.with([&](Inbox& inbox) {
    if (inbox.ended) return true;
    inbox.tasks.push_back([&] {
      task();
      ran.with([&](bool& it) {
        it = true;
        ran.notify_one();
      });
    });
    return false;
  });
  if (ended) return task();
  wake();
  ran.lock().wait(Deadline::never(), [](bool it) { return it; });
}

void Loop::watch(int fd, std::uint32_t epoll_events, OnEvents on_events) {
  watched_[fd] = std::make_shared<OnEvents>(std::move(on_events));
  epoll_event event{};
  event.events = epoll_events;
  event.data.fd = fd;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

void Loop::rewatch(int fd, std::uint32_t epoll_events) {
  epoll_event event{};
  event.events = epoll_events;
  event.data.fd = fd;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void Loop::unwatch(int fd) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  watched_.erase(fd);
}

// False: the thread shall end and nothing is left to do.
bool Loop::take(std::vector<Task>& tasks) {
  return inbox_.with([&](Inbox& inbox) {
    tasks.swap(inbox.tasks);
    const SteadyTime now = std::chrono::steady_clock::now();
    while (!inbox.timers.empty() && inbox.timers.front().when <= now) {
      std::pop_heap(inbox.timers.begin(), inbox.timers.end());
      tasks.push_back(std::move(inbox.timers.back().task));
      inbox.timers.pop_back();
    }
    inbox.ended = inbox.stopping && tasks.empty();
    return !inbox.ended;
  });
}

int Loop::wait_ms() {
  return inbox_.with([](Inbox& inbox) {
    if (!inbox.tasks.empty() || inbox.stopping) return 0;
    inbox.sleeping = true;
    if (inbox.timers.empty()) return 1'000;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(inbox.timers.front().when - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000));
  });
}

void Loop::work() {
  std::array<epoll_event, 64> events;
  std::vector<Task> tasks;
  while (take(tasks)) {
    for (Task& task : tasks) {
      task();
      task = nullptr;
    }
    tasks.clear();
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms());
    inbox_.lock()->sleeping = false;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.fd == event_) {
        std::uint64_t times = 0;
        [[maybe_unused]] const ssize_t bytes = ::read(event_, &times, sizeof times);
        continue;
      }
      // It may be unwatched by one that is called before it, or by itself.
      const auto found = watched_.find(event.data.fd);
      if (found == watched_.end()) continue;
      const std::shared_ptr<OnEvents> called = found->second;
      (*called)(event.events);
    }
  }
  watched_.clear();
}

}  // namespace chaveiro::clients::pulsar
