#include "clients/redis/io_thread.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace chaveiro::redis {
namespace {

constexpr auto tick_interval = std::chrono::milliseconds{100};
thread_local const IoThread* current = nullptr;

}  // namespace

IoThread::IoThread(Micros spin_max)
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), spin_(spin_max) {
  CHECK(epoll_ >= 0 && event_ >= 0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &event);
  thread_ = std::thread([this] { run(); });
}

IoThread::~IoThread() {
  stop();
  ::close(event_);
  ::close(epoll_);
}

void IoThread::stop() {
  if (!thread_.joinable()) return;
  CHECK(!here());
  inbox_.with([](Inbox& inbox) { inbox.stopping = true; });
  wake();
  thread_.join();
  inbox_.with([](Inbox& inbox) { inbox.tasks.clear(), inbox.timers.clear(); });
}

bool IoThread::here() const { return current == this; }
bool IoThread::on_any() { return current != nullptr; }

void IoThread::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_, &one, sizeof one);
}

bool IoThread::post(Task task) {
  bool taken = true;
  const bool asleep = inbox_.with([&](Inbox& inbox) {
    taken = !inbox.ended;
    if (!taken) return false;
    inbox.tasks.push_back(std::move(task));
    return std::exchange(inbox.sleeping, false);
  });
  if (asleep) wake();
  return taken;
}

void IoThread::at(SteadyTime when, Task task) {
  const bool asleep = inbox_.with([&](Inbox& inbox) {
    if (inbox.ended) return false;
    inbox.timers.push_back({when, inbox.timers_made++, std::move(task)});
    std::push_heap(inbox.timers.begin(), inbox.timers.end());
    return when < inbox.tick_at && std::exchange(inbox.sleeping, false);
  });
  if (asleep) wake();
}

void IoThread::wake_by(SteadyTime when) {
  const bool asleep = inbox_.with([&](Inbox& inbox) {
    if (when >= inbox.tick_at) return false;
    inbox.tick_at = when;
    return std::exchange(inbox.sleeping, false);
  });
  if (asleep) wake();
}

void IoThread::add(std::shared_ptr<Source> source) {
  CHECK(here());
  sources_.push_back(std::move(source));
  inbox_.with([](Inbox& inbox) { inbox.tick_at = SteadyTime::min(); });
}

void IoThread::remove(Source& source) {
  CHECK(here());
  std::erase(to_flush_, &source);
  std::replace(flushing_.begin(), flushing_.end(), &source, static_cast<Source*>(nullptr));
  const auto found = std::ranges::find(sources_, &source, [](const auto& held) { return held.get(); });
  if (found == sources_.end()) return;
  // Whoever is being called at this moment must live until the call ends.
  inbox_.with([&](Inbox& inbox) { inbox.tasks.emplace_back([keep = std::move(*found)](Nothing) {}); });
  sources_.erase(found);
}

void IoThread::flush_later(Source& source) { to_flush_.push_back(&source); }

void IoThread::watch(int fd, Source& source, std::uint32_t epoll_events) {
  epoll_event event{};
  event.events = epoll_events;
  event.data.ptr = &source;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

void IoThread::rewatch(int fd, Source& source, std::uint32_t epoll_events) {
  epoll_event event{};
  event.events = epoll_events;
  event.data.ptr = &source;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void IoThread::unwatch(int fd) { ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr); }

// False: the thread shall end and nothing is left to do.
bool IoThread::take_work(std::vector<Task>& tasks) {
  return inbox_.with([&](Inbox& inbox) {
    tasks.swap(inbox.tasks);
    if (!inbox.timers.empty()) {
      const SteadyTime now = std::chrono::steady_clock::now();
      while (!inbox.timers.empty() && inbox.timers.front().when <= now) {
        std::pop_heap(inbox.timers.begin(), inbox.timers.end());
        tasks.push_back(std::move(inbox.timers.back().task));
        inbox.timers.pop_back();
      }
    }
    inbox.ended = inbox.stopping && tasks.empty();
    return !inbox.ended;
  });
}

void IoThread::tick_if_due() {
  const SteadyTime now = std::chrono::steady_clock::now();
  const bool due = inbox_.with([&](Inbox& inbox) {
    if (inbox.tick_at != SteadyTime::max() && now < inbox.tick_at) return false;
    inbox.tick_at = now + tick_interval;
    return true;
  });
  if (!due) return;
  SteadyTime next = now + tick_interval;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const std::shared_ptr<Source> source = sources_[i];  // it may remove itself
    next = std::min(next, source->on_tick(now));
  }
  inbox_.with([&](Inbox& inbox) { inbox.tick_at = std::min(inbox.tick_at, next); });
}

void IoThread::flush_all() {
  while (!to_flush_.empty()) {
    flushing_.swap(to_flush_);
    for (std::size_t i = 0; i < flushing_.size(); ++i) {
      if (flushing_[i] != nullptr) flushing_[i]->flush();
    }
    flushing_.clear();
  }
}

// How many sockets have something to say.
int IoThread::wait(epoll_event* events) {
  int count = ::epoll_wait(epoll_, events, 32, 0);
  if (count != 0) return count;
  const bool soon = std::ranges::any_of(sources_, [](const auto& source) { return source->expects_soon(); });
  if (soon && spin_.until([&] { return (count = ::epoll_wait(epoll_, events, 32, 0)) != 0; })) return count;
  const auto until = inbox_.with([](Inbox& inbox) -> std::optional<SteadyTime> {
    if (!inbox.tasks.empty() || inbox.stopping) return std::nullopt;
    inbox.sleeping = true;
    return inbox.timers.empty() ? inbox.tick_at : std::min(inbox.tick_at, inbox.timers.front().when);
  });
  if (!until) return 0;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - std::chrono::steady_clock::now()).count();
  count = ::epoll_wait(epoll_, events, 32, static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000)));
  inbox_.with([](Inbox& inbox) { inbox.sleeping = false; });
  return count;
}

void IoThread::run() {
  current = this;
  std::array<epoll_event, 32> events;
  std::vector<Task> tasks;
  while (take_work(tasks)) {
    for (Task& task : tasks) task(Nothing{});
    tasks.clear();
    flush_all();
    tick_if_due();
    flush_all();
    const int count = wait(events.data());
    for (int i = 0; i < count; ++i) {
      if (events[static_cast<std::size_t>(i)].data.ptr == nullptr) {
        std::uint64_t times = 0;
        [[maybe_unused]] const ssize_t bytes = ::read(event_, &times, sizeof times);
        continue;
      }
      auto* const source = static_cast<Source*>(events[static_cast<std::size_t>(i)].data.ptr);
      // It may have been removed by one that was called before it.
      const bool alive = std::ranges::any_of(sources_, [&](const auto& held) { return held.get() == source; });
      if (!alive) continue;
      source->on_events(events[static_cast<std::size_t>(i)].events);
      flush_all();
    }
  }
  to_flush_.clear();
  sources_.clear();
}

}  // namespace chaveiro::redis
