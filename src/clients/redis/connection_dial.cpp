#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "clients/redis/connection.h"

namespace chaveiro::redis {
namespace {

constexpr std::size_t early_pushes_max = 10'000;

Error protocol_error(const std::string& what) { return fail(Code::corrupt, "ProtocolError", "Redis: " + what); }

bool is_message(const Value& value) {
  const std::string_view word = value.items.empty() ? std::string_view() : std::string_view(value.items.front().text);
  return value.kind == Kind::push
             ? !word.ends_with("subscribe")
             : value.kind == Kind::array && (word == "message" || word == "pmessage" || word == "smessage");
}

}  // namespace

void Connection::start() {
  io_.post([self = shared_from_this()](Nothing) {
    if (self->closed()) return;
    self->io_.add(self);
    self->dial();
  });
}

void Connection::dial() {
  {
    auto shared = shared_.lock();
    if (shared->closing || shared->phase != Phase::down) return;
    shared->phase = Phase::dialing;
  }
  ++dials_;
  dial_until_ = std::chrono::steady_clock::now() + options_.dial_timeout;
  io_.wake_by(dial_until_);
  addresses_.clear();
  addresses_tried_ = 0;
  const Endpoint& endpoint = options_.endpoint;
  if (!endpoint.path.empty()) {
    auto socket = Socket::connect_unix(endpoint.path);
    if (!socket) return dial_failed(socket.error());
    socket_ = std::move(*socket);
    step_ = Step::connecting;
    io_.watch(socket_.fd(), *this, EPOLLOUT);
    return;
  }
  if (auto known = Names::in_digits(endpoint.host, endpoint.port)) {
    addresses_ = {*known};
    return dial_next();
  }
  step_ = Step::resolving;
  names_.resolve(endpoint.host, endpoint.port, dial_until_,
                 [self = shared_from_this(), dial = dials_](const Names::Addresses& found) {
                   self->io_.post([self, dial, found = std::make_unique<Names::Addresses>(found)](Nothing) {
                     if (self->dials_ != dial || self->step_ != Step::resolving) return;
                     if (!*found) return self->dial_failed(found->error());
                     self->addresses_ = std::move(**found);
                     self->dial_next();
                   });
                 });
}

// The next address of the name, while there is one. Each gets its share of the time, and the next dial begins one further on: one that
// takes connections and then nothing more shall not keep us from the others.
void Connection::dial_next() {
  const SteadyTime now = std::chrono::steady_clock::now();
  const auto left = static_cast<std::int64_t>(addresses_.size() - addresses_tried_);
  address_until_ = now + (dial_until_ - now) / left;
  io_.wake_by(address_until_);
  auto socket = Socket::connect(addresses_[(address_first_ + addresses_tried_++) % addresses_.size()]);
  if (!socket) return addresses_tried_ < addresses_.size() ? dial_next() : dial_failed(socket.error());
  socket_ = std::move(*socket);
  step_ = Step::connecting;
  io_.watch(socket_.fd(), *this, EPOLLOUT);
}

void Connection::dial_failed(const Error& why) {
  if (socket_.fd() >= 0) io_.unwatch(socket_.fd());
  std::vector<Lost> refused;
  bool closing = false;
  ++address_first_;
  {
    auto shared = shared_.lock();
    socket_.close();
    step_ = Step::none;
    parser_.reset();
    greeting_.reset();
    Secret::wipe(writing_);
    written_ = 0;
    early_pushes_.clear();
    closing = shared->closing || !options_.comes_back;
    shared->phase = closing ? Phase::closed : Phase::down;
    const SteadyTime now = std::chrono::steady_clock::now();
    // Between the first failure and the next there is the same patience as after a loss.
    if (dials_ == 1) shared->patient_until = std::min(shared->patient_until, now + outage_patience);
    const bool patient = now <= shared->patient_until;
    if (closing || !patient) {
      for (Request& request : shared->waiting) refused.push_back({std::move(request), false});
      shared->waiting.clear();
    }
  }
  refuse(refused, why);
  owner_.on_down(*this, why, false);
  if (closing) {
    io_.remove(*this);
  } else {
    come_back_later();
  }
}

void Connection::come_back_later() {
  io_.at(std::chrono::steady_clock::now() + backoff_.next(), [weak = weak_from_this()](Nothing) {
    if (const auto self = weak.lock()) self->dial();
  });
}

void Connection::go_on_dialing(std::uint32_t events) {
  switch (step_) {
    case Step::connecting: {
      auto connected = socket_.connected();
      if (!connected) {
        if (addresses_tried_ >= addresses_.size()) return dial_failed(connected.error());
        io_.unwatch(socket_.fd());
        return dial_next();
      }
      if (!options_.tls) return greet();
      step_ = Step::tls;
      if (options_.renew_tls) options_.renew_tls();
      auto begun = socket_.begin_tls(options_.tls->current(), options_.tls_name, !options_.tls->options().skip_verify);
      if (!begun) return dial_failed(begun.error());
      return go_on_tls();
    }
    case Step::tls:
      return go_on_tls();
    case Step::greeting:
      if ((events & EPOLLOUT) != 0 && written_ < writing_.size()) {
        auto moved = socket_.write(std::string_view(writing_).substr(written_));
        if (!moved) return dial_failed(moved.error());
        written_ += moved->bytes;
        if (written_ == writing_.size()) io_.rewatch(socket_.fd(), *this, EPOLLIN);
      }
      return go_on_greeting();
    case Step::none:
    case Step::resolving:
      return;
  }
}

void Connection::go_on_tls() {
  auto wants = socket_.handshake();
  if (!wants) return dial_failed(wants.error());
  if (*wants == Socket::Wants::nothing) return greet();
  io_.rewatch(socket_.fd(), *this, *wants == Socket::Wants::read ? EPOLLIN : EPOLLOUT);
}

void Connection::greet() {
  step_ = Step::greeting;
  greeting_.emplace(options_.greeting());
  writing_ = greeting_->begin();
  written_ = 0;
  io_.rewatch(socket_.fd(), *this, EPOLLIN | EPOLLOUT);
}

void Connection::go_on_greeting() {
  bool greeted = false;
  for (;;) {
    char* const place = parser_.prepare(4096);
    auto moved = socket_.read(place, 4096);
    if (!moved) return dial_failed(moved.error());
    if (moved->bytes == 0) return;
    parser_.commit(moved->bytes);
    for (;;) {
      Value value;
      const Parser::Step step = parser_.next(value);
      if (step == Parser::Step::more) break;
      if (step == Parser::Step::broken) return dial_failed(protocol_error(parser_.fault()));
      if (is_message(value)) {
        if (early_pushes_.size() == early_pushes_max) return dial_failed(protocol_error("it does not stop talking"));
        early_pushes_.push_back(std::move(value));
        continue;
      }
      // It would be taken for the answer of the first request.
      if (greeted) return dial_failed(protocol_error("an answer that nobody asked for"));
      Greeting::Next next = greeting_->on_reply(std::move(value));
      if (next.what == Greeting::Next::What::failed) return dial_failed(*next.error);
      greeted = next.what == Greeting::Next::What::ready;
      if (next.what == Greeting::Next::What::send) {
        writing_.erase(0, written_);
        written_ = 0;
        writing_ += next.bytes;
        io_.rewatch(socket_.fd(), *this, EPOLLIN | EPOLLOUT);
      }
    }
    if (greeted) return become_ready();
  }
}

void Connection::become_ready() {
  Secret::wipe(writing_);
  written_ = 0;
  step_ = Step::none;
  address_first_ = 0;
  backoff_.reset();
  const Greeting greeting = std::move(*greeting_);
  greeting_.reset();
  owner_.on_up(*this, greeting.server(), greeting.setup_replies());
  for (Value& push : std::exchange(early_pushes_, {})) owner_.on_push(*this, std::move(push));
  std::vector<Lost> refused;
  std::vector<Request> waiting;
  bool closing = false;
  Write how = Write::nothing;
  {
    auto shared = shared_.lock();
    closing = shared->closing;
    if (!closing) {
      shared->phase = Phase::ready;
      shared->active_at = std::chrono::steady_clock::now();
      if (std::ranges::any_of(greeting.setup(), &Command::subscribes)) shared->session.expect_messages();
      waiting.swap(shared->waiting);
      how = admit(shared, waiting, refused);
      arm(shared, true);
    }
  }
  if (closing) return dial_failed(fail(Code::cancelled, "Closed", "Redis: the connection is being closed"));
  start_write(how);
  refuse(refused, fail(Code::exhausted, "TooManyInFlight", "Redis: too much is in flight"));
}

// Tears down what is broken, when nobody reads or writes any more.
void Connection::reap() {
  std::vector<Lost> lost;
  std::vector<Lost> refused;
  Error why;
  bool closing = false;
  deliver_handed();
  {
    auto shared = shared_.lock();
    const std::optional<Error> broken = shared->roles.tear_down();
    if (!broken) return;
    why = *broken;
    closing = shared->closing || !options_.comes_back;
    shared->phase = closing ? Phase::closed : Phase::down;
    shared->patient_until = std::chrono::steady_clock::now() + outage_patience;
    shared->session.lose(lost);
    if (closing) {
      for (Request& request : shared->waiting) refused.push_back({std::move(request), false});
      shared->waiting.clear();
    }
    shared->armed = shared->blocked = shared->flush_asked = false;
    io_.unwatch(socket_.fd());
    socket_.close();
    parser_.reset();
    writing_.clear();
    written_ = 0;
  }
  owner_.on_down(*this, why, true);
  refuse(lost, why);
  refuse(refused, why);
  if (closing) {
    io_.remove(*this);
  } else {
    come_back_later();
  }
}

void Connection::close(const Error& why) {
  if (io_.here()) return close_here(why);
  shared_.with([](Shared& shared) { shared.closing = true; });
  io_.post([self = shared_from_this(), why](Nothing) { self->close_here(why); });
}

void Connection::close_here(const Error& why) {
  Phase phase = Phase::closed;
  {
    auto shared = shared_.lock();
    shared->closing = true;
    phase = shared->phase;
    if (phase == Phase::ready) break_down(shared, why);
  }
  if (phase == Phase::ready) return reap();
  if (phase == Phase::down || phase == Phase::dialing) dial_failed(why);
}

void Connection::restart(const Error& why) {
  auto shared = shared_.lock();
  if (shared->phase == Phase::ready) break_down(shared, why);
}

SteadyTime Connection::on_tick(SteadyTime now) {
  const bool another = step_ == Step::connecting && addresses_tried_ < addresses_.size();
  if (step_ != Step::none && now >= dial_until_) {
    dial_failed(
        fail(Code::unavailable, "DialTimeout", "Redis: no connection to " + to_string(endpoint()) + " in time"));
  } else if (another && now >= address_until_) {
    io_.unwatch(socket_.fd());
    dial_next();
  }
  std::vector<Lost> late;
  std::vector<Lost> refused;
  std::vector<Request> ping;
  std::optional<Error> why;
  SteadyTime next = now + std::chrono::milliseconds{100};
  Write how = Write::nothing;
  {
    auto shared = shared_.lock();
    shared->session.expire(now, late);
    next = std::min(next, shared->session.next_deadline());
    const bool patient = shared->closing || now <= shared->patient_until;
    std::vector<Request> stay;
    for (Request& request : shared->waiting) {
      if (!request.wanted()) continue;
      if (request.done && request.deadline <= now) {
        late.push_back({std::move(request), false});
      } else if (!patient && shared->phase != Phase::ready) {
        refused.push_back({std::move(request), false});
      } else {
        if (request.done) next = std::min(next, request.deadline);
        stay.push_back(std::move(request));
      }
    }
    shared->waiting = std::move(stay);
    if (step_ != Step::none) next = std::min(next, dial_until_);
    if (step_ == Step::connecting && addresses_tried_ < addresses_.size()) next = std::min(next, address_until_);
    if (shared->usable()) {
      if (shared->session.owes_answers() && now - shared->active_at > options_.read_timeout) {
        break_down(shared, fail(Code::unavailable, "ServerSilent", "Redis: the server owes answers and is silent"));
      } else if (shared->blocked && now - shared->blocked_since > options_.write_timeout) {
        break_down(shared, fail(Code::unavailable, "ServerSilent", "Redis: the server takes no more commands"));
      } else if (!shared->armed && !shared->roles.reading() &&
                 now - shared->driven_at > std::chrono::milliseconds{20}) {
        arm(shared, true);
      } else if (shared->session.idle() && !shared->roles.reading() && options_.health_check > Micros::zero() &&
                 now - shared->active_at > options_.health_check) {
        Request request;
        request.command = Command("PING");
        request.pinned = true;
        request.done = [](Result<Value>&&) {};
        ping.push_back(std::move(request));
        how = admit(shared, ping, refused);
      }
    }
    shared->next_tick = next;
  }
  start_write(how);
  refuse(late, fail(Code::deadline, "DeadlineExceeded", "Redis: no answer in time"));
  refuse(refused, fail(Code::unavailable, "NotConnected", "Redis: no connection to " + to_string(endpoint())));
  return next;
}

}  // namespace chaveiro::redis
