#include "clients/redis/connection.h"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <utility>

namespace chaveiro::redis {
namespace {

constexpr std::size_t read_size = 64U << 10;
constexpr int reads_in_a_row = 8;
// Then what their callbacks sent goes out: a server that waits for the whole batch stands idle meanwhile.
constexpr std::size_t delivered_in_a_row = 32;
// With so many in flight the answers wake the I/O thread soon enough, and one write for all is better than one for each.
constexpr std::size_t written_by_callers_max = 8;

}  // namespace

Connection::Connection(IoThread& io, Names& names, ConnectionOptions options, Owner& owner)
    : io_(io),
      names_(names),
      options_(std::move(options)),
      owner_(owner),
      shared_(std::in_place, options_.session),
      parser_(options_.parser),
      backoff_(options_.reconnect_delay_min, options_.reconnect_delay_max, random_u64()) {
  shared_.with([&](Shared& shared) {
    shared.patient_until = std::chrono::steady_clock::now() + std::max<Micros>(options_.dial_timeout, outage_patience);
  });
}

Connection::~Connection() = default;

bool Connection::up() const {
  return shared_.with([](const Shared& shared) { return shared.usable(); });
}
bool Connection::closed() const {
  return shared_.with([](const Shared& shared) { return shared.phase == Phase::closed || shared.closing; });
}
bool Connection::given_up() const {
  return shared_.with([](const Shared& shared) {
    return shared.phase == Phase::closed || shared.closing ||
           (shared.phase != Phase::ready && std::chrono::steady_clock::now() > shared.patient_until);
  });
}
std::size_t Connection::in_flight() const {
  return shared_.with([](const Shared& shared) { return shared.session.in_flight() + shared.waiting.size(); });
}
bool Connection::idle() const {
  return shared_.with(
      [](const Shared& shared) { return shared.usable() && shared.session.idle() && !shared.roles.reading(); });
}

void Connection::refuse(std::vector<Lost>& refused, const Error& why) {
  for (Lost& lost : refused) owner_.on_lost(*this, std::move(lost.request), why, lost.sent);
  refused.clear();
}

// Puts requests into the session, or among those that wait for it; what cannot stay goes to `refused`.
Connection::Write Connection::admit(Locked& shared, std::vector<Request>& requests, std::vector<Lost>& refused) {
  const SteadyTime now = std::chrono::steady_clock::now();
  const bool ready = shared->usable();
  const bool waits = !shared->closing && shared->phase != Phase::closed &&
                     (shared->phase == Phase::ready || now <= shared->patient_until);
  if (shared->session.idle()) shared->active_at = now;
  for (Request& request : requests) {
    if (request.done && request.deadline < shared->next_tick) {
      shared->next_tick = request.deadline;
      io_.wake_by(request.deadline);
    }
    if (!ready && waits && shared->waiting.size() < options_.session.in_flight_max) {
      shared->waiting.push_back(std::move(request));
      // NOLINTNEXTLINE(bugprone-branch-clone): in between it is asked whether somebody still waits
    } else if (!ready || (request.waiter == nullptr && !request.done)) {
      refused.push_back({std::move(request), false});
    } else if (request.waiter && !request.waiter->begin_send()) {
      continue;  // nobody waits for it any more
    } else if (!shared->session.push(request, now)) {
      refused.push_back({std::move(request), false});
    }
  }
  if (!ready || !shared->session.has_output() || shared->roles.writing() || shared->blocked || shared->flush_asked) {
    return Write::nothing;
  }
  const bool later = io_.here() || options_.tls || shared->session.in_flight() > written_by_callers_max;
  if (later) {
    shared->flush_asked = true;
    return Write::ask;
  }
  shared->roles.begin_writing();
  return Write::here;
}

void Connection::start_write(Write how) {
  if (how == Write::here) write_out();
  if (how != Write::ask) return;
  if (io_.here()) {
    io_.flush_later(*this);
  } else {
    io_.post([self = shared_from_this()](Nothing) { self->flush(); });
  }
}

Connection::Drive Connection::send(Request request, bool may_drive) {
  thread_local std::vector<Request> one;
  thread_local std::vector<Lost> refused;
  std::vector<Request> requests = std::move(one);
  std::vector<Lost> unable = std::move(refused);
  requests.push_back(std::move(request));
  Write how = Write::nothing;
  Drive drive = Drive::no;
  bool full = false;
  {
    auto shared = shared_.lock();
    const bool alone = may_drive && options_.callers_drive && !options_.tls && shared->usable() &&
                       shared->session.idle() && !shared->roles.reading() && shared->handed.empty();
    how = admit(shared, requests, unable);
    full = !unable.empty() && shared->usable();
    if (alone && how == Write::here) {
      drive = Drive::yes;
      shared->roles.begin_reading();
      if (shared->armed) arm(shared, false);
    } else {
      watch_answers(shared);
    }
  }
  start_write(how);
  if (!unable.empty()) {
    refuse(unable, full ? fail(Code::exhausted, "TooManyInFlight", "Redis: too much is in flight")
                        : fail(Code::unavailable, "NotConnected", "Redis: no connection to " + to_string(endpoint())));
  }
  requests.clear();
  one = std::move(requests);
  refused = std::move(unable);
  return drive;
}

void Connection::send_all(std::vector<Request> requests) {
  std::vector<Lost> unable;
  Write how = Write::nothing;
  bool full = false;
  {
    auto shared = shared_.lock();
    how = admit(shared, requests, unable);
    full = shared->usable();
    watch_answers(shared);
  }
  start_write(how);
  refuse(unable, full ? fail(Code::exhausted, "TooManyInFlight", "Redis: too much is in flight")
                      : fail(Code::unavailable, "NotConnected", "Redis: no connection to " + to_string(endpoint())));
}

void Connection::flush() {
  {
    auto shared = shared_.lock();
    shared->flush_asked = false;
    const bool nothing = !shared->session.has_output() && written_ == writing_.size();
    if (shared->phase != Phase::ready || shared->blocked || nothing || !shared->roles.begin_writing()) return;
  }
  write_out();
}

// Holds the writer's role, and gives it back.
void Connection::write_out() {
  std::size_t moved_bytes = 0;
  for (;;) {
    {
      auto shared = shared_.lock();
      shared->session.wrote(moved_bytes);
      moved_bytes = 0;
      if (written_ == writing_.size()) {
        writing_.clear();
        written_ = 0;
        if (writing_.capacity() > (1U << 20)) writing_.shrink_to_fit();
        if (!shared->roles.broken()) shared->session.take_output(writing_);
      }
      if (writing_.empty() || shared->roles.broken()) return leave_writing(shared);
    }
    auto moved = socket_.write(std::string_view(writing_).substr(written_));
    if (!moved) {
      auto shared = shared_.lock();
      // Of what TLS was given, all may have left.
      if (options_.tls) shared->session.wrote(writing_.size() - written_);
      break_down(shared, moved.error());
      return leave_writing(shared);
    }
    if (moved->bytes == 0) {
      auto shared = shared_.lock();
      shared->blocked = true;
      shared->blocked_since = std::chrono::steady_clock::now();
      arm(shared, shared->armed);
      return leave_writing(shared);
    }
    moved_bytes = moved->bytes;
    written_ += moved_bytes;
  }
}

void Connection::leave_writing(Locked& shared) {
  if (shared->roles.end_writing()) reap_later();
}

// Whether answers are watched for; what blocks the writer always is.
void Connection::arm(Locked& shared, bool answers) {
  shared->armed = answers;
  io_.rewatch(socket_.fd(), *this, (answers ? EPOLLIN : 0U) | (shared->blocked ? EPOLLOUT : 0U));
}

// A caller who drove has left the I/O thread not watching: somebody must, now that answers are due and no caller reads them.
void Connection::watch_answers(Locked& shared) {
  if (!shared->armed && shared->usable() && !shared->roles.reading() && !shared->session.idle()) arm(shared, true);
}

// The socket is of no use any more.
void Connection::break_down(Locked& shared, const Error& why) {
  if (!shared->roles.broken()) socket_.shut_down();
  if (shared->roles.break_down(why)) reap_later();
}

void Connection::reap_later() {
  io_.post([self = shared_from_this()](Nothing) { self->reap(); });
}

// Holds the reader's role.
Connection::Read Connection::read_in(bool on_io_thread) {
  char* const place = parser_.prepare(read_size);
  auto moved = socket_.read(place, read_size);
  if (!moved) {
    auto shared = shared_.lock();
    break_down(shared, moved.error());
    return Read::broken;
  }
  if (moved->bytes == 0) return Read::nothing;
  parser_.commit(moved->bytes);
  Parser::Step step = Parser::Step::more;
  for (;;) {
    Value value;
    step = parser_.next(value);
    if (step != Parser::Step::reply) break;
    replies_.push_back(std::move(value));
  }
  const SteadyTime now = std::chrono::steady_clock::now();
  bool broken = step == Parser::Step::broken;
  bool handed = false;
  {
    auto shared = shared_.lock();
    shared->active_at = now;
    for (Value& value : replies_) {
      Answered answered;
      if (!shared->session.on_reply(std::move(value), answered)) continue;
      if (answered.request) ++requests_answered_;
      // A caller completes callers; callbacks and pushes belong to the I/O thread.
      if (on_io_thread || (answered.request && answered.request->waiter)) {
        answered_.push_back(std::move(answered));
      } else {
        shared->handed.push_back(std::move(answered));
        handed = true;
      }
    }
    broken = broken || shared->session.faulty();
    if (broken) {
      break_down(shared,
                 fail(Code::corrupt, "ProtocolError",
                      "Redis: " + (parser_.fault().empty() ? "an answer that nobody asked for" : parser_.fault())));
    }
  }
  replies_.clear();
  if (handed) io_.post([self = shared_from_this()](Nothing) { self->deliver_handed(); });
  std::size_t delivered = 0;
  for (Answered& answered : answered_) {
    deliver(answered, now);
    if (on_io_thread && ++delivered % delivered_in_a_row == 0) io_.flush_all();
  }
  answered_.clear();
  return broken ? Read::broken : Read::something;
}

void Connection::deliver(Answered& answered, SteadyTime now) {
  if (!answered.request) return owner_.on_push(*this, std::move(answered.value));
  Request& request = *answered.request;
  owner_.on_answered(*this, request, answered.value, now);
  if (answered.value.is_error()) {
    owner_.on_error_line(*this, std::move(request), std::move(answered.value));
  } else if (!request.finish(std::move(answered.value))) {
    owner_.on_late(*this);
  }
}

void Connection::deliver_handed() {
  std::vector<Answered> handed;
  shared_.with([&](Shared& shared) { handed.swap(shared.handed); });
  const SteadyTime now = std::chrono::steady_clock::now();
  for (Answered& answered : handed) deliver(answered, now);
}

void Connection::on_events(std::uint32_t events) {
  if (step_ != Step::none) return go_on_dialing(events);
  bool write = false;
  bool read = false;
  bool handed = false;
  {
    auto shared = shared_.lock();
    if (!shared->usable()) return;
    // TLS: whatever came may be what the other direction waited for.
    if (shared->blocked && ((events & EPOLLOUT) != 0 || options_.tls)) {
      shared->blocked = false;
      write = shared->roles.begin_writing();
      arm(shared, shared->armed);
    }
    read = (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && shared->roles.begin_reading();
    handed = !shared->handed.empty();
  }
  if (handed) deliver_handed();
  if (write) write_out();
  if (!read) return;
  for (int i = 0; i < reads_in_a_row; ++i) {
    if (read_in(true) != Read::something) break;
    if (!options_.tls) break;  // level-triggered: what is left comes again, after what the callbacks wrote has left
  }
  leave_reading();
}

void Connection::leave_reading() {
  auto shared = shared_.lock();
  if (shared->roles.end_reading()) return reap_later();
  if (shared->roles.broken() || io_.here()) return;
  shared->driven_at = std::chrono::steady_clock::now();
  if (!shared->session.idle() || shared->blocked) arm(shared, true);
}

// Until the caller's answer has been read, or what was read in its place: an error line whose command goes on elsewhere.
void Connection::drive(Waiter& waiter, Deadline deadline, Spin& spin) {
  // Nothing was under way when it was sent, so that the first answer is its own.
  const std::uint64_t before = requests_answered_;
  while (!waiter.done() && requests_answered_ == before) {
    Read read = Read::nothing;
    if (spin.until([&] { return (read = read_in(false)) != Read::nothing; })) {
      if (read == Read::broken) break;
      continue;
    }
    if (deadline.expired()) break;
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.remaining()).count();
    const timespec limit{left / 1'000'000'000, left % 1'000'000'000};
    pollfd awaited{socket_.fd(), POLLIN, 0};
    ::ppoll(&awaited, 1, deadline == Deadline::never() ? nullptr : &limit, nullptr);
  }
  leave_reading();
}

bool Connection::expects_soon() {
  return shared_.with([](const Shared& shared) {
    return shared.phase == Phase::ready && !shared.roles.reading() && shared.session.owes_answers();
  });
}

}  // namespace chaveiro::redis
