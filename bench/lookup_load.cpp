#include "bench/lookup_load.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>

#include "bench/lookup_server.h"

namespace chaveiro::bench {
namespace {

Nanos nanos(Seconds time) { return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count(); }

constexpr Seconds drain_max{10};

}  // namespace

std::vector<std::unique_ptr<Connection>> connect_grpc_64(const Peer& peer, Requests& requests, Answers& answers) {
  std::vector<std::unique_ptr<Connection>> all;
  for (int i = 0; i < 4; ++i) all.push_back(connect_grpc(peer, 16, requests, answers));
  return all;
}

std::vector<std::unique_ptr<Connection>> connect_rest_32(const Peer& peer, Requests& requests, Answers& answers) {
  std::vector<std::unique_ptr<Connection>> all;
  for (int i = 0; i < 32; ++i) all.push_back(connect_rest(peer, requests, answers));
  return all;
}

Load::Load(std::vector<std::unique_ptr<Connection>> (*connect)(const Peer&, Requests&, Answers&), const Peer& peer,
           Requests& requests, int server)
    : requests_(requests),
      server_(server),
      connections_(connect(peer, requests, *this)),
      poll_(::epoll_create1(EPOLL_CLOEXEC)) {
  for (const auto& connection : connections_) {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = connection.get()}};
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, connection->descriptor(), &event);
  }
}

Load::~Load() { ::close(poll_); }

void Load::right(Nanos due, std::size_t bytes, Source source) {
  times_->record(std::chrono::nanoseconds(steady_nanos() - due));
  ++answers_;
  bytes_ += bytes;
  if (source == Source::memory) ++from_memory_;
}

void Load::wrong(const std::string& what) {
  if (wrong_++ == 0) first_wrong_ = what;
}

void Load::check() const {
  if (wrong_ == 0) return;
  stop(std::to_string(wrong_) + " of " + std::to_string(wrong_ + answers_) +
       " answers were wrong; the first: " + first_wrong_);
}

void Load::begin() {
  times_ = std::make_unique<Histogram>();
  answers_ = from_memory_ = bytes_ = wrong_ = 0;
}

Round Load::end(Nanos begun, Seconds processor_before) {
  const Seconds took = std::chrono::nanoseconds(steady_nanos() - begun);
  const Seconds processor = processor_time(server_) - processor_before;
  check();
  if (answers_ == 0) stop("not one answer came");
  const auto count = static_cast<double>(answers_);
  return {.rate = count / took.count(),
          .cpu_us = processor.count() * 1e6 / count,
          .core_used = processor / took,
          .from_memory = static_cast<double>(from_memory_) / count,
          .message_bytes = static_cast<double>(bytes_) / count,
          .answers = answers_,
          .times = times_->snapshot()};
}

void Load::receive() {
  std::array<epoll_event, 64> events;
  const int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr)->receive();
}

void Load::drain() {
  const Nanos until = steady_nanos() + nanos(drain_max);
  const auto busy = [this] {
    for (const auto& connection : connections_)
      if (connection->in_flight() > 0) return true;
    return false;
  };
  while (busy()) {
    if (steady_nanos() > until) stop("answers are missing after " + std::to_string(drain_max.count()) + " s");
    for (const auto& connection : connections_) connection->send();
    receive();
  }
}

void Load::fill(Connection& connection, Nanos now) {
  while (connection.room() > 0) connection.start(requests_.next(), now);
  connection.send();
}

Round Load::top_rate(Seconds window) {
  begin();
  const Nanos begun = steady_nanos();
  const Seconds processor = processor_time(server_);
  const Nanos until = begun + nanos(window);
  for (Nanos now = begun; now < until; now = steady_nanos()) {
    for (const auto& connection : connections_) fill(*connection, now);
    receive();
  }
  const Round round = end(begun, processor);
  drain();
  check();
  return round;
}

Round Load::fixed_rate(double rate, Seconds window) {
  begin();
  const Nanos begun = steady_nanos();
  const Seconds processor = processor_time(server_);
  const double step = 1e9 / rate;
  std::uint64_t sent = 0;
  const auto wanted = static_cast<std::uint64_t>(rate * window.count());
  std::size_t turn = 0;
  while (sent < wanted) {
    const Nanos now = steady_nanos();
    std::size_t full = 0;
    while (sent < wanted && full < connections_.size()) {
      const Nanos due = begun + static_cast<Nanos>(static_cast<double>(sent) * step);
      if (due > now) break;
      Connection& connection = *connections_[turn++ % connections_.size()];
      if (connection.room() == 0) {
        ++full;
        continue;
      }
      full = 0;
      connection.start(requests_.next(), due);
      ++sent;
    }
    for (const auto& connection : connections_) connection->send();
    receive();
  }
  drain();
  return end(begun, processor);
}

}  // namespace chaveiro::bench
