#include "clients/redis/names.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>
#include <optional>

namespace chaveiro::redis {

std::optional<net::Address> Names::in_digits(const std::string& host, std::uint16_t port) {
  net::Address address;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&address.storage, &v4, sizeof v4);
    address.size = sizeof v4;
    return address;
  }
  if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.size = sizeof v6;
    return address;
  }
  return std::nullopt;
}

void Names::resolve(std::string host, std::uint16_t port, Deadline deadline, Once<Addresses&&> done) {
  state_.with([&](State& state) {
    if (state.stopping) return;
    state.questions.push_back({std::move(host), port, deadline, std::move(done)});
    if (!state.running) thread_ = std::thread([this] { run(); });
    state.running = true;
  });
  state_.notify_one();
}

void Names::run() {
  for (;;) {
    std::optional<Question> question;
    {
      auto state = state_.lock();
      state.wait(Deadline::never(), [](const State& it) { return it.stopping || !it.questions.empty(); });
      if (state->stopping) return;
      question = std::move(state->questions.front());
      state->questions.pop_front();
    }
    question->done(resolver_.resolve(question->host, question->port, question->deadline));
  }
}

void Names::stop() {
  state_.with([](State& state) { state.stopping = true; });
  state_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace chaveiro::redis
