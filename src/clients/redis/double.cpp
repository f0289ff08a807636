#include "clients/redis/double.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/guarded.h"
#include "clients/redis/double_session.h"

namespace chaveiro::redis {
namespace {

void close_fd(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

Result<int> listening(const std::string& digits, std::uint16_t& port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, digits.c_str(), &address.sin_addr) != 1) {
    close_fd(fd);
    return fail(Code::invalid, "BadAddress", "the double's address is not written in digits");
  }
  socklen_t size = sizeof(address);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(fd, 128) != 0) {
    close_fd(fd);
    return fail(Code::unavailable, "PortTaken", "the double cannot listen on its port");
  }
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

struct Double::Parts {
  struct State {
    State(DoubleOptions options, const Clock& clock) : server(std::move(options), clock) {}
    DoubleServer server;
    std::map<int, DoubleSession*> sessions;  // by socket
    int listener = -1;
    bool stopping = false;
  };

  Parts(DoubleOptions options, const Clock& clock) : state(std::in_place, std::move(options), clock) {}
  ~Parts() {
    state.lock()->stopping = true;
    wake();
    if (thread.joinable()) thread.join();
    auto end = state.lock();
    for (auto& [fd, session] : end->sessions) ::close(fd);
    close_fd(end->listener);
    close_fd(waker);
  }

  void wake() const {
    const std::uint64_t one = 1;
    (void)!::write(waker, &one, sizeof(one));
  }

  void loop() {
    std::vector<pollfd> polled;
    while (true) {
      int wait = -1;
      {
        auto now = state.lock();
        if (now->stopping) return;
        now->server.tick();
        flush(*now);
        polled = {{waker, POLLIN, 0}, {now->listener, POLLIN, 0}};
        for (const auto& [fd, session] : now->sessions) {
          const bool writes = !session->out.empty();
          polled.push_back({fd, static_cast<short>((session->reads ? POLLIN : 0) | (writes ? POLLOUT : 0)), 0});
        }
        if (const auto wakes = now->server.wakes_at(); wakes && *wakes != SteadyTime::max()) {
          const auto left = std::chrono::ceil<std::chrono::milliseconds>(*wakes - std::chrono::steady_clock::now());
          wait = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
        }
      }
      (void)::poll(polled.data(), polled.size(), wait);
      auto now = state.lock();
      if (polled[0].revents != 0) {
        std::uint64_t count = 0;
        (void)!::read(waker, &count, sizeof(count));
      }
      if (polled[1].revents != 0 && now->listener == polled[1].fd) accept_all(*now);
      for (std::size_t i = 2; i < polled.size(); ++i) {
        if (polled[i].revents != 0) take(*now, polled[i].fd);
      }
      flush(*now);
    }
  }

  static void accept_all(State& now) {
    while (true) {
      const int fd = ::accept4(now.listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) return;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      now.sessions[fd] = &now.server.open();
    }
  }

  static void take(State& now, int fd) {
    const auto found = now.sessions.find(fd);
    if (found == now.sessions.end()) return;
    char some[65536];
    while (true) {
      const ssize_t count = ::recv(fd, some, sizeof(some), 0);
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (count <= 0) return drop(now, fd);
      found->second->in.append(some, static_cast<std::size_t>(count));
    }
    now.server.work(*found->second);
  }

  static void flush(State& now) {
    std::vector<int> over;
    for (auto& [fd, session] : now.sessions) {
      while (!session->out.empty()) {
        const ssize_t count = ::send(fd, session->out.data(), session->out.size(), MSG_NOSIGNAL);
        if (count <= 0) {
          if (errno != EAGAIN && errno != EINTR) over.push_back(fd);
          break;
        }
        session->out.erase(0, static_cast<std::size_t>(count));
      }
      if (session->closing && session->out.empty() && session->later.empty()) over.push_back(fd);
    }
    for (const int fd : over) drop(now, fd);
  }

  static void drop(State& now, int fd) {
    const auto found = now.sessions.find(fd);
    if (found == now.sessions.end()) return;
    now.server.close(*found->second);
    now.sessions.erase(found);
    ::close(fd);
  }

  Guarded<State> state;
  int waker = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::string address;
  std::uint16_t port = 0;
  std::thread thread;
};

Double::Double(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Double::~Double() = default;

Result<std::unique_ptr<Double>> Double::start(DoubleOptions options, const Clock& clock) {
  const std::string address = options.address;
  std::uint16_t port = options.port;
  auto parts = std::make_unique<Parts>(std::move(options), clock);
  TRY(parts->state.lock()->listener, listening(address, port));
  parts->address = address;
  parts->port = port;
  parts->thread = std::thread([raw = parts.get()] { raw->loop(); });
  return std::unique_ptr<Double>(new Double(std::move(parts)));
}

std::uint16_t Double::port() const { return parts_->port; }

std::string Double::url() const { return "redis://" + parts_->address + ":" + std::to_string(port()) + "/0"; }

void Double::teach(std::string_view script, DoubleScript function) {
  parts_->state.lock()->server.teach(script, std::move(function));
}

DoubleReply Double::command(std::vector<std::string> words) {
  DoubleReply reply = parts_->state.with([&](auto& state) { return state.server.command(words); });
  parts_->wake();
  return reply;
}

void Double::set_answer(std::string command, DoubleReply reply) {
  parts_->state.lock()->server.set_answer(std::move(command), std::move(reply));
}

void Double::set_fault(DoubleFault fault) { parts_->state.lock()->server.set_fault(std::move(fault)); }

void Double::close_connections() {
  parts_->state.with([](auto& state) {
    while (!state.sessions.empty()) Parts::drop(state, state.sessions.begin()->first);
  });
  parts_->wake();
}

void Double::hang_up() {
  parts_->state.with([](auto& state) {
    // The thread may be polling it, which would keep it listening for a moment after close().
    ::shutdown(state.listener, SHUT_RDWR);
    close_fd(state.listener);
  });
  close_connections();
}

void Double::listen() {
  parts_->state.with([&](auto& state) {
    if (state.listener >= 0) return;
    auto again = listening(parts_->address, parts_->port);
    CHECK(again.has_value());
    state.listener = *again;
  });
  parts_->wake();
}

std::uint64_t Double::calls(std::string_view command) const {
  return parts_->state.with([&](const auto& state) { return state.server.calls(command); });
}

std::size_t Double::connections() const {
  return parts_->state.with([](const auto& state) { return state.sessions.size(); });
}

}  // namespace chaveiro::redis
