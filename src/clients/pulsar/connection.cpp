#include "clients/pulsar/connection.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace chaveiro::clients::pulsar {
namespace {

constexpr std::string_view client_version = "chaveiro";
constexpr auto tick_interval = std::chrono::milliseconds{500};

// The number of the request that a frame answers, or of the producer or consumer that it is for.
template <std::uint32_t field>
struct Numbered {
  std::uint64_t id = 0;
  template <class V>
  void fields(V& v) {
    v(field, id);
  }
};
template <std::uint32_t field>
std::uint64_t number_in(const wire::Frame& frame) {
  const auto read = wire::read_message<Numbered<field>>(frame.command);
  return read ? read->id : ~std::uint64_t{0};
}

}  // namespace

Connection::~Connection() {
  if (fd_ >= 0) ::close(fd_);
}

Error Connection::lost(const std::string& why) const {
  return fail(Code::unavailable, "BrokerUnavailable",
              "the broker " + options_.host + ":" + std::to_string(options_.port) + " " + why);
}

void Connection::open() {
  connect();
  if (state_ == State::gone) return;
  heard_at_ = std::chrono::steady_clock::now();
  loop_.at(heard_at_ + tick_interval, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
}

// Broker addresses are numeric or in the hosts file as a rule; a slow name server holds the loop up for its own time limit.
void Connection::connect() {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const std::string port = std::to_string(options_.port);
  if (::getaddrinfo(options_.host.c_str(), port.c_str(), &hints, &found) != 0) return close(lost("has no address"));
  fd_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const int done = ::connect(fd_, found->ai_addr, found->ai_addrlen);
  const int failed = errno;
  ::freeaddrinfo(found);
  if (done != 0 && failed != EINPROGRESS) return close(lost(std::string("refuses: ") + std::strerror(failed)));
  loop_.watch(fd_, EPOLLIN | EPOLLOUT, [weak = weak_from_this()](std::uint32_t events) {
    if (const auto self = weak.lock()) self->on_events(events);
  });
  wants_write_ = true;
}

void Connection::connected() {
  int failed = 0;
  socklen_t size = sizeof failed;
  ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &failed, &size);
  if (failed != 0) return close(lost(std::string("refuses: ") + std::strerror(failed)));
  state_ = State::greeting;
  wire::Connect hello{.client_version = std::string(client_version)};
  if (options_.token) {
    hello.auth_method_name = "token";
    hello.auth_data = std::string(options_.token().expose());
  }
  if (!options_.proxy_to.empty()) hello.proxy_to_broker_url = options_.proxy_to;
  std::string frame;
  wire::append_frame(frame, hello);
  send(frame);
}

void Connection::when_ready(Ready ready) {
  if (state_ == State::ready) return loop_.post([ready = std::move(ready)] { ready({}); });
  if (state_ == State::gone) return loop_.post([ready = std::move(ready), error = lost("is gone")] { ready(error); });
  waiting_.push_back(std::move(ready));
}

void Connection::settle(const Result<void>& how) {
  for (Ready& ready : std::exchange(waiting_, {})) loop_.post([ready = std::move(ready), how] { ready(how); });
}

void Connection::request(std::uint64_t id, std::string_view frame, Deadline deadline, Answer answer) {
  if (!alive()) return loop_.post([answer = std::move(answer), error = lost("is gone")] { answer(error); });
  asked_.emplace(id, Asked{std::move(answer), deadline});
  send(frame);
}

void Connection::answer(std::uint64_t id, Result<wire::Frame> frame) {
  const auto found = asked_.find(id);
  if (found == asked_.end()) return;  // it came too late
  const Answer answer = std::move(found->second.answer);
  asked_.erase(found);
  answer(std::move(frame));
}

void Connection::send(std::string_view frames) {
  if (!alive()) return;
  out_.append(frames);
  if (std::exchange(flush_posted_, true)) return;
  loop_.post([self = shared_from_this()] { self->flush(); });
}

void Connection::flush() {
  flush_posted_ = false;
  if (state_ != State::gone && state_ != State::connecting) write_some();
}

void Connection::write_some() {
  while (out_at_ < out_.size()) {
    const ssize_t sent = ::send(fd_, out_.data() + out_at_, out_.size() - out_at_, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (sent < 0) return close(lost(std::string("is gone: ") + std::strerror(errno)));
    out_at_ += static_cast<std::size_t>(sent);
  }
  if (out_at_ == out_.size()) {
    out_.clear();
    out_at_ = 0;
  } else if (out_at_ > (1u << 20)) {
    out_.erase(0, out_at_);
    out_at_ = 0;
  }
  const bool wants = !out_.empty();
  if (wants == wants_write_) return;
  wants_write_ = wants;
  loop_.rewatch(fd_, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void Connection::on_events(std::uint32_t events) {
  const auto self = shared_from_this();
  if (state_ == State::connecting) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
    connected();
  }
  if (state_ != State::gone && (events & EPOLLOUT) != 0) write_some();
  if (state_ != State::gone && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) read_all();
}

void Connection::read_all() {
  char bytes[256 << 10];
  const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  if (got <= 0) return close(lost("has cut the connection"));
  heard_at_ = std::chrono::steady_clock::now();
  reader_.feed({bytes, static_cast<std::size_t>(got)});
  while (state_ != State::gone) {
    const auto frame = reader_.next();
    if (!frame) return close(frame.error());
    if (!*frame) return;
    handle(**frame);
  }
}

void Connection::handle(const wire::Frame& frame) {
  const auto tell = [&](const std::unordered_map<std::uint64_t, Resident*>& residents) {
    const auto found = residents.find(number_in<1>(frame));
    if (found != residents.end()) found->second->on_frame(frame);
  };
  std::string reply;
  switch (frame.type) {
    case wire::Connected::type: {
      const auto hello = wire::read_command<wire::Connected>(frame);
      if (!hello) return close(hello.error());
      if (hello->max_message_size.value_or(0) > 0) {
        message_max_ = static_cast<std::size_t>(*hello->max_message_size);
        reader_.set_frame_max(message_max_ + wire::frame_padding);
      }
      state_ = State::ready;
      return settle({});
    }
    case wire::Ping::type:
      wire::append_frame(reply, wire::Pong{});
      return send(reply);
    case wire::AuthChallenge::type: {
      if (!options_.token) return close(fail(Code::unauthenticated, "Unauthenticated", "the broker asks for a token"));
      wire::AuthResponse response{.client_version = std::string(client_version), .response = {}};
      response.response = {"token", std::string(options_.token().expose())};
      wire::append_frame(reply, response);
      return send(reply);
    }
    case wire::ErrorCommand::type: {
      const auto told = wire::read_command<wire::ErrorCommand>(frame);
      if (!told) return close(told.error());
      const Error error = error_of(told->error, told->message);
      if (state_ == State::greeting) return close(error);
      return answer(told->request_id, error);
    }
    case wire::Success::type:
    case wire::ProducerSuccess::type:
      return answer(number_in<1>(frame), frame);
    case wire::PartitionedMetadataResponse::type:
    case wire::GetLastMessageIdResponse::type:
      return answer(number_in<2>(frame), frame);
    case wire::LookupResponse::type:
      return answer(number_in<4>(frame), frame);
    case wire::AckResponse::type:
      return answer(number_in<6>(frame), frame);
    case wire::SendReceipt::type:
    case wire::SendError::type:
    case wire::CloseProducer::type:
      return tell(producers_);
    case wire::MessageCommand::type:
    case wire::CloseConsumer::type:
    case wire::ReachedEndOfTopic::type:
    case wire::ActiveConsumerChange::type:
      return tell(consumers_);
    default:
      return;  // of a newer protocol, or nothing that concerns us
  }
}

void Connection::tick() {
  if (!alive()) return;
  const SteadyTime now = std::chrono::steady_clock::now();
  if (state_ != State::ready && now - heard_at_ > options_.connect_time_max) return close(lost("does not answer"));
  if (now - heard_at_ > 2 * options_.keep_alive) return close(lost("has been silent for too long"));
  if (state_ == State::ready && now - heard_at_ > options_.keep_alive && now - pinged_at_ > options_.keep_alive) {
    pinged_at_ = now;
    std::string frame;
    wire::append_frame(frame, wire::Ping{});
    send(frame);
  }
  std::vector<std::uint64_t> late;
  for (const auto& [id, asked] : asked_)
    if (asked.deadline.expired()) late.push_back(id);
  for (const std::uint64_t id : late)
    answer(id, fail(Code::deadline, "DeadlineExceeded", "the broker has not answered in time"));
  loop_.at(now + tick_interval, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
}

void Connection::close(const Error& why) {
  if (state_ == State::gone) return;
  state_ = State::gone;
  if (fd_ >= 0) {
    loop_.unwatch(fd_);
    ::close(std::exchange(fd_, -1));
  }
  settle(why);
  for (auto& [id, asked] : std::exchange(asked_, {}))
    loop_.post([answer = std::move(asked.answer), why] { answer(why); });
  for (auto* residents : {&producers_, &consumers_})
    for (const auto& [id, resident] : std::exchange(*residents, {})) resident->on_gone(why);
}

}  // namespace chaveiro::clients::pulsar
