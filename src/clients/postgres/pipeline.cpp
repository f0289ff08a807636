#include "clients/postgres/pipeline.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "clients/postgres/connection.h"
#include "clients/postgres/errors.h"

namespace chaveiro::clients::postgres {

namespace {

SteadyTime steady_now() { return std::chrono::steady_clock::now(); }
constexpr std::uint32_t wake_tag = ~std::uint32_t{0};

}  // namespace

Pipeline::Pipeline(PipelineOptions options)
    : options_(std::move(options)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  CHECK(epoll_ >= 0 && wake_ >= 0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = wake_tag;
  CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0);
  lines_.resize(std::max<std::size_t>(options_.connections, 1));
  thread_ = std::thread([this] { loop(); });
}

Pipeline::~Pipeline() {
  shared_.with([](Shared& shared) { shared.stopping = true; });
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
  thread_.join();
  lines_.clear();
  ::close(wake_);
  ::close(epoll_);
}

void Pipeline::call(Call call) {
  bool first = false, full = false;
  {
    auto shared = shared_.lock();
    full = shared->queue.size() >= options_.queue_max || shared->stopping;
    if (!full) {
      first = shared->queue.empty();
      shared->queue.push_back(std::move(call));
    }
  }
  if (full) {
    Error error = fail(Code::exhausted, "ReadQueueFull", "too many reads wait for the database: try again later");
    error.retry_after = std::chrono::milliseconds(100);
    return call.done(std::move(error));
  }
  if (first) {
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
  }
}

Result<Rows> Pipeline::run(std::string_view sql, Params params, std::string ispbs, Deadline deadline) {
  if (deadline.expired()) return too_late();
  const auto answer = std::make_shared<Guarded<std::optional<Result<Rows>>>>();
  call({sql, std::move(params), std::move(ispbs), deadline, [answer](Result<Rows> rows) {
          answer->with([&](auto& it) { it = std::move(rows); });
          answer->notify_one();
        }});
  auto it = answer->lock();
  if (!it.wait(deadline, [](const auto& there) { return there.has_value(); })) return too_late();
  return std::move(**it);
}

Pipeline::Counts Pipeline::counts() const {
  return shared_.with([](const Shared& shared) { return shared.counts; });
}

void Pipeline::loop() {
  for (;;) {
    epoll_event events[16];
    const int count = ::epoll_wait(epoll_, events, 16, pause());
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u32 == wake_tag) {
        std::uint64_t ignored;
        (void)!::read(wake_, &ignored, sizeof ignored);
        continue;
      }
      Line& line = lines_[events[i].data.u32];
      if (!line.session) continue;
      line.ready ? read(line) : go_on_connecting(line);
    }
    take_new();
    for (Line& line : lines_)
      if (!line.session && steady_now() >= line.next_try) connect(line);
    look_for_silence();
    expire();
    send_waiting();
    bool stopping = false;
    counts_.ready =
        static_cast<std::size_t>(std::ranges::count_if(lines_, [](const Line& line) { return line.ready; }));
    shared_.with([&](Shared& shared) { shared.counts = counts_, stopping = shared.stopping; });
    if (!stopping) continue;
    take_new();
    for (Line& line : lines_) forget(line, gone("the program ends"));
    for (Call& call : waiting_) call.done(gone("the program ends"));
    return;
  }
}

// How long epoll may sleep: to the next deadline, try or look for silence.
int Pipeline::pause() const {
  SteadyTime next = std::min(next_expiry_, steady_now() + std::chrono::seconds{1});
  for (const Line& line : lines_) {
    if (!line.session)
      next = std::min(next, line.next_try);
    else if (!line.ready)
      next = std::min(next, line.give_up);
    else if (!line.in_flight.empty())
      next = std::min(next, line.heard + options_.silence_max);
  }
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - steady_now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, 1'000));
}

void Pipeline::take_new() {
  std::vector<Call> fresh;
  shared_.with([&](Shared& shared) { fresh.swap(shared.queue); });
  for (Call& call : fresh) {
    next_expiry_ = std::min(next_expiry_, call.deadline.when());
    ++counts_.calls;
    waiting_.push_back(std::move(call));
  }
}

void Pipeline::connect(Line& line) {
  auto session = Session::start(options_.target);
  ++counts_.connects;
  line.give_up = steady_now() + options_.target.connect_limit;
  if (!session) return forget(line, session.error());
  line.session = *std::move(session);
  line.events = EPOLLOUT;
  watch(line);
}

void Pipeline::watch(Line& line) {
  const int socket = line.session->socket();
  if (socket < 0) return;
  epoll_event event{};
  event.events = line.events;
  event.data.u32 = static_cast<std::uint32_t>(&line - lines_.data());
  // A closed socket is gone from epoll by itself, and its number may come again.
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, socket, &event) != 0) ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  line.registered = socket;
}

void Pipeline::go_on_connecting(Line& line) {
  const auto wants = line.session->connect_step();
  if (!wants) return forget(line, wants.error());
  if (*wants == Session::Wants::ready) {
    line.ready = true;
    line.pause = Micros{0};
    line.failures = 0;
    line.heard = steady_now();
    connect_error_.reset();
  }
  line.events = *wants == Session::Wants::write ? EPOLLOUT : EPOLLIN;
  watch(line);
}

void Pipeline::send_waiting() {
  while (!waiting_.empty()) {
    Line* free = nullptr;
    for (Line& line : lines_) {
      if (line.ready && line.in_flight.size() < options_.in_flight_max &&
          (free == nullptr || line.in_flight.size() < free->in_flight.size()))
        free = &line;
    }
    if (free == nullptr) break;
    Call call = std::move(waiting_.front());
    waiting_.pop_front();
    if (free->in_flight.empty()) free->heard = steady_now();
    free->session->send(set_ispbs, Params().add(call.ispbs));
    free->session->send(call.sql, call.params);
    free->session->send_sync();
    free->in_flight.push_back(std::move(call));
  }
  for (Line& line : lines_) {
    if (!line.ready || line.in_flight.empty()) continue;
    const bool all_out = line.session->flush();
    ++counts_.trips;
    if (line.session->broken()) {
      read(line);
      continue;
    }
    const unsigned events = all_out ? EPOLLIN : EPOLLIN | EPOLLOUT;
    if (events != line.events) line.events = events, watch(line);
  }
  if (!hopeless()) return;
  std::deque<Call> left;
  left.swap(waiting_);
  for (Call& call : left) call.done(*connect_error_);
}

// A connection that breaks while it is made says little: the server may be closing all of them. One that is refused for what it is will
// be refused again.
bool Pipeline::hopeless() const {
  if (!connect_error_) return false;
  const int enough = connect_error_->reason == "DatabaseGone" ? 2 : 1;
  return std::ranges::all_of(lines_, [&](const Line& line) { return !line.ready && line.failures >= enough; });
}

void Pipeline::read(Line& line) {
  line.session->receive();
  line.heard = steady_now();
  while (auto reply = line.session->next()) {
    if (!reply->is_sync) {
      // The first answer is that of set_ispbs, the second the statement's.
      if (line.answers_read++ == 1) line.answer = std::move(reply->rows);
      continue;
    }
    if (line.session->broken()) break;
    Call call = std::move(line.in_flight.front());
    line.in_flight.pop_front();
    Result<Rows> rows = std::move(*line.answer);
    line.answer.reset();
    line.answers_read = 0;
    finish(std::move(call), std::move(rows));
  }
  if (line.session->broken()) forget(line, gone("the connection broke"));
}

void Pipeline::finish(Call call, Result<Rows> rows) {
  if (!call.done) return;  // was late
  if (!rows && (is_lost(rows.error()) || is_retryable(rows.error())) && ++call.tries < 3) {
    ++counts_.retried;
    waiting_.push_front(std::move(call));
    return;
  }
  call.done(std::move(rows));
}

// Ends a connection; what it owed is asked again elsewhere, or by the next one.
void Pipeline::forget(Line& line, const Error& why) {
  if (!line.ready) connect_error_ = why, ++line.failures;
  const bool was_ready = line.ready;
  line.session.reset();
  line.ready = false;
  line.answer.reset();
  line.answers_read = 0;
  line.next_try = steady_now() + (was_ready ? Micros{0} : line.pause);
  line.pause = std::clamp<Micros>(line.pause * 2, Micros{50'000}, Micros{1'000'000});
  std::deque<Call> owed;
  owed.swap(line.in_flight);
  for (Call& call : owed) finish(std::move(call), why);
}

// Those that wait go; those that are under way stay in their place without their caller.
void Pipeline::expire() {
  const SteadyTime now = steady_now();
  if (now < next_expiry_) return;
  next_expiry_ = SteadyTime::max();
  const auto is_late = [&](Call& call) {
    if (!call.done) return true;
    if (call.deadline.when() > now) {
      next_expiry_ = std::min(next_expiry_, call.deadline.when());
      return false;
    }
    ++counts_.late;
    std::exchange(call.done, nullptr)(too_late());
    return true;
  };
  std::erase_if(waiting_, is_late);
  for (Line& line : lines_)
    for (Call& call : line.in_flight) (void)is_late(call);
}

void Pipeline::look_for_silence() {
  const SteadyTime now = steady_now();
  for (Line& line : lines_) {
    if (!line.session) continue;
    if (line.ready && !line.in_flight.empty() && now - line.heard > options_.silence_max) {
      forget(line, gone("the server is silent"));
    } else if (!line.ready && now > line.give_up) {
      forget(line, gone(describe(options_.target.url) + " did not answer in time"));
    }
  }
}

}  // namespace chaveiro::clients::postgres
