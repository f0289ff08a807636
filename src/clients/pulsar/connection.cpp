#include "clients/pulsar/connection.h"

#include <sys/epoll.h>

namespace chaveiro::clients::pulsar {
namespace {

constexpr std::string_view client_version = "chaveiro";
constexpr std::size_t block_bytes = 64u << 10;
constexpr int reads_max = 32;  // in a row, of one connection
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

Error Connection::lost(const std::string& why) const {
  return fail(Code::unavailable, "BrokerUnavailable",
              "the broker " + options_.host + ":" + std::to_string(options_.port) + " " + why);
}

void Connection::open() {
  heard_at_ = std::chrono::steady_clock::now();
  loop_.at(heard_at_ + tick_interval, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
  resolver_.resolve(options_.host, options_.port,
                    [door = loop_.door(), weak = weak_from_this()](Result<std::vector<net::Address>> found) {
                      const auto at = door->lock();
                      if (*at == nullptr) return;
                      (*at)->post([weak, found = std::move(found)] {
                        if (const auto self = weak.lock()) self->resolved(found);
                      });
                    });
}

void Connection::resolved(Result<std::vector<net::Address>> addresses) {
  if (state_ != State::resolving) return;
  if (!addresses) return close(lost("has no address: " + addresses.error().message));
  addresses_ = std::move(*addresses);
  state_ = State::connecting;
  connect_next("has no address");
}

// A name may have several addresses, of which not every one needs to listen.
void Connection::connect_next(const std::string& why) {
  std::string last = why;
  while (next_address_ < addresses_.size()) {
    auto socket = net::AsyncSocket::connect(addresses_[next_address_++]);
    if (!socket) {
      last = "refuses: " + socket.error().message;
      continue;
    }
    socket_ = std::move(*socket);
    wants_write_ = true;
    return loop_.watch(socket_.fd(), EPOLLIN | EPOLLOUT, [weak = weak_from_this()](std::uint32_t events) {
      if (const auto self = weak.lock()) self->on_events(events);
    });
  }
  close(lost(last));
}

void Connection::connected() {
  if (const auto how = socket_.connected(); !how) {
    loop_.unwatch(socket_.fd());
    socket_.close();
    return connect_next("refuses: " + how.error().message);
  }
  if (!options_.tls) return greet();
  if (const auto begun = socket_.begin_tls(options_.tls, options_.host); !begun) return close(begun.error());
  state_ = State::shaking_hands;
  shake_hands();
}

void Connection::shake_hands() {
  const auto wants = socket_.handshake();
  if (!wants) {
    Error why = lost("and we do not agree on TLS: " + wants.error().message);
    if (wants.error().reason == "CertificateRefused") why.reason = wants.error().reason;
    return close(why);
  }
  if (*wants == net::AsyncSocket::Wants::nothing) return greet();
  const bool write = *wants == net::AsyncSocket::Wants::write;
  if (write == wants_write_) return;
  wants_write_ = write;
  loop_.rewatch(socket_.fd(), write ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void Connection::greet() {
  state_ = State::greeting;
  wire::Connect hello{.client_version = std::string(client_version)};
  if (options_.token) {
    hello.auth_method_name = "token";
    hello.auth_data = std::string(options_.token().expose());
  } else if (options_.shows_certificate) {
    hello.auth_method_name = "tls";
  }
  if (!options_.proxy_to.empty()) hello.proxy_to_broker_url = options_.proxy_to;
  std::string frame;
  wire::append_frame(frame, hello);
  // Before anything that was asked for meanwhile.
  out_.push_front(std::move(frame));
  write_some();
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
  if (out_.empty() || out_.back().size() + frames.size() > block_bytes) {
    spare_block_.clear();
    out_.push_back(std::exchange(spare_block_, {}));
    out_.back().reserve(block_bytes);
  }
  out_.back().append(frames);
  if (std::exchange(flush_posted_, true)) return;
  loop_.post([self = shared_from_this()] { self->flush(); });
}

void Connection::flush() {
  flush_posted_ = false;
  if (state_ == State::ready || state_ == State::greeting) write_some();
}

void Connection::write_some() {
  while (!out_.empty()) {
    const auto sent = socket_.write(std::string_view(out_.front()).substr(out_at_));
    if (!sent) return close(lost("is gone: " + sent.error().message));
    if (sent->bytes == 0) break;
    out_at_ += sent->bytes;
    if (out_at_ < out_.front().size()) continue;
    if (out_.front().capacity() <= 2 * block_bytes) spare_block_ = std::move(out_.front());
    out_.pop_front();
    out_at_ = 0;
  }
  const bool wants = !out_.empty();
  if (wants == wants_write_) return;
  wants_write_ = wants;
  loop_.rewatch(socket_.fd(), wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void Connection::on_events(std::uint32_t events) {
  const auto self = shared_from_this();
  if (state_ == State::connecting) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) connected();
    return;
  }
  if (state_ == State::shaking_hands) return shake_hands();
  // Under TLS either may have waited for the other's direction.
  if (alive() && ((events & EPOLLOUT) != 0 || (socket_.is_tls() && !out_.empty()))) write_some();
  if (alive() && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) read_all();
}

// TLS holds back what epoll does not know of: it is read until nothing is left, in turns with whatever else the loop has to do.
void Connection::read_all() {
  char bytes[256 << 10];
  for (int turn = 0; turn < reads_max; ++turn) {
    const auto got = socket_.read(bytes, sizeof bytes);
    if (!got) return close(lost("has cut the connection: " + got.error().message));
    if (got->bytes == 0) return;
    heard_at_ = std::chrono::steady_clock::now();
    reader_.feed({bytes, got->bytes});
    read_frames();
    if (!alive() || !socket_.is_tls()) return;
  }
  loop_.post([self = shared_from_this()] {
    if (self->alive()) self->read_all();
  });
}

void Connection::read_frames() {
  while (alive()) {
    const auto frame = reader_.next();
    if (!frame) return close(frame.error());
    if (!*frame) return;
    handle(**frame);
  }
}

void Connection::handle(const wire::Frame& frame) {
  const auto tell = [&](const Residents& residents) {
    const auto found = residents.find(number_in<1>(frame));
    if (found == residents.end()) return;
    if (const auto alive = found->second.lock()) alive->on_frame(frame);
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
    case wire::TopicsOfNamespaceResponse::type:
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
  if (socket_.fd() >= 0) {
    loop_.unwatch(socket_.fd());
    socket_.close();
  }
  settle(why);
  for (auto& [id, asked] : std::exchange(asked_, {}))
    loop_.post([answer = std::move(asked.answer), why] { answer(why); });
  for (auto* residents : {&producers_, &consumers_})
    for (const auto& [id, resident] : std::exchange(*residents, {}))
      if (const auto alive = resident.lock()) alive->on_gone(why);
}

}  // namespace chaveiro::clients::pulsar
