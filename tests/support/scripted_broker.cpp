#include "tests/support/scripted_broker.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "base/crc32c.h"

namespace chaveiro::tests {

namespace wire = clients::pulsar::wire;

struct ScriptedBroker::Connection {
  int fd = -1;
  Peer peer;
  std::size_t sent = 0;
  wire::FrameReader reader;
  ~Connection() {
    if (fd >= 0) ::close(fd);
  }
};

ScriptedBroker::ScriptedBroker() {
  listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  event_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listening_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listening_, 16) != 0 ||
      ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("no port to listen on");
  url_ = "pulsar://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  thread_ = std::thread([this] { work(); });
}

ScriptedBroker::~ScriptedBroker() {
  state_.lock()->stopping = true;
  wake();
  thread_.join();
  ::close(listening_);
  ::close(event_);
}

void ScriptedBroker::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_, &one, sizeof one);
}

void ScriptedBroker::at(std::uint32_t command, Script script) {
  state_.with([&](State& state) {
    if (script)
      state.scripts[command] = std::move(script);
    else
      state.scripts.erase(command);
  });
}

std::uint64_t ScriptedBroker::count(std::uint32_t command) const {
  return state_.with([&](const State& state) {
    const auto found = state.counts.find(command);
    return found == state.counts.end() ? 0 : found->second;
  });
}

bool ScriptedBroker::came(std::uint32_t command, std::uint64_t times, Deadline deadline) const {
  auto state = state_.lock();
  return state.wait(deadline, [&](const State& it) {
    const auto found = it.counts.find(command);
    return found != it.counts.end() && found->second >= times;
  });
}

void ScriptedBroker::cut() {
  state_.lock()->cutting = true;
  wake();
}

void ScriptedBroker::accept_one() {
  const int fd = ::accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto connection = std::make_unique<Connection>();
  connection->fd = fd;
  connection->peer.number = ++accepted_;
  connections_.push_back(std::move(connection));
}

void ScriptedBroker::read_one(Connection& connection) {
  char bytes[256 << 10];
  const ssize_t got = ::recv(connection.fd, bytes, sizeof bytes, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return connection.peer.hang_up();
  connection.reader.feed({bytes, static_cast<std::size_t>(got)});
  while (!connection.peer.gone) {
    const auto frame = connection.reader.next();
    if (!frame) return connection.peer.hang_up();
    if (!*frame) return;
    const Script script = state_.with([&](State& state) {
      const auto found = state.scripts.find((**frame).type);
      return found == state.scripts.end() ? Script() : found->second;
    });
    if (script)
      script(connection.peer, **frame);
    else
      as_usual(connection.peer, **frame);
    state_.with([&](State& state) { ++state.counts[(**frame).type]; });
    state_.notify_all();
  }
}

void ScriptedBroker::write_one(Connection& connection) {
  Peer& peer = connection.peer;
  while (connection.sent < peer.out.size()) {
    const ssize_t sent =
        ::send(connection.fd, peer.out.data() + connection.sent, peer.out.size() - connection.sent, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent <= 0) return peer.hang_up();
    connection.sent += static_cast<std::size_t>(sent);
  }
  peer.out.clear();
  connection.sent = 0;
}

void ScriptedBroker::work() {
  for (;;) {
    std::vector<pollfd> polled = {{listening_, POLLIN, 0}, {event_, POLLIN, 0}};
    for (const auto& one : connections_)
      polled.push_back({one->fd, static_cast<short>(one->peer.out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
    ::poll(polled.data(), polled.size(), 1'000);
    std::uint64_t times = 0;
    [[maybe_unused]] const ssize_t bytes = ::read(event_, &times, sizeof times);
    const auto [stopping, cutting] =
        state_.with([](State& state) { return std::pair(state.stopping, std::exchange(state.cutting, false)); });
    if (stopping) return connections_.clear();
    if (cutting) {
      connections_.clear();
      continue;
    }
    for (std::size_t i = 2; i < polled.size(); ++i) {
      Connection& connection = *connections_[i - 2];
      if ((polled[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0) read_one(connection);
      if (!connection.peer.out.empty()) write_one(connection);
    }
    std::erase_if(connections_, [](const auto& one) { return one->peer.gone; });
    if ((polled[0].revents & POLLIN) != 0) accept_one();
  }
}

void ScriptedBroker::as_usual(Peer& peer, const wire::Frame& frame) {
  switch (frame.type) {
    case wire::Connect::type:
      return peer.say(wire::Connected{.server_version = "scripted", .protocol = wire::protocol_version});
    case wire::PartitionedMetadata::type:
      return peer.say(wire::PartitionedMetadataResponse{
          .request_id = wire::read_command<wire::PartitionedMetadata>(frame)->request_id});
    case wire::Lookup::type: {
      wire::LookupResponse answer;
      answer.broker_url = url_;
      answer.response = wire::LookupType::connect;
      answer.request_id = wire::read_command<wire::Lookup>(frame)->request_id;
      answer.authoritative = true;
      return peer.say(answer);
    }
    case wire::Producer::type: {
      const auto asked = *wire::read_command<wire::Producer>(frame);
      return peer.say(wire::ProducerSuccess{.request_id = asked.request_id, .producer_name = "scripted"});
    }
    case wire::Send::type: {
      const auto sent = *wire::read_command<wire::Send>(frame);
      wire::SendReceipt receipt{.producer_id = sent.producer_id, .sequence_id = sent.sequence_id, .message_id = {}};
      receipt.message_id.ledger_id = 1;
      receipt.message_id.entry_id = entries_++;
      return peer.say(receipt);
    }
    case wire::Subscribe::type:
      return peer.say(wire::Success{wire::read_command<wire::Subscribe>(frame)->request_id});
    case wire::CloseProducer::type:
      return peer.say(wire::Success{wire::read_command<wire::CloseProducer>(frame)->request_id});
    case wire::CloseConsumer::type:
      return peer.say(wire::Success{wire::read_command<wire::CloseConsumer>(frame)->request_id});
    case wire::Ack::type: {
      const auto ack = *wire::read_command<wire::Ack>(frame);
      if (ack.request_id)
        peer.say(wire::AckResponse{.consumer_id = ack.consumer_id, .message = {}, .request_id = *ack.request_id});
      return;
    }
    case wire::Ping::type:
      return peer.say(wire::Pong{});
    default:
      return;
  }
}

std::string message_frame(std::uint64_t consumer, std::uint64_t entry, std::string_view body) {
  wire::MessageMetadata metadata;
  metadata.producer_name = "scripted";
  metadata.sequence_id = entry;
  metadata.publish_time = 1;
  // A SEND frame has the same form behind its command.
  std::string sent;
  static_cast<void>(wire::append_send_frame(sent, {.producer_id = 0, .sequence_id = 0}, metadata, body));
  const auto rest = wire::read_frame(std::string_view(sent).substr(4))->rest;
  wire::MessageCommand command;
  command.consumer_id = consumer;
  command.message_id.ledger_id = 1;
  command.message_id.entry_id = entry;
  const std::string base = wire::base_command(command);
  const auto put = [](std::string& out, std::size_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
  };
  std::string frame;
  put(frame, 4 + base.size() + rest.size());
  put(frame, base.size());
  return frame.append(base).append(rest);
}

}  // namespace chaveiro::tests
