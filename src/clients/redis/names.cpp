#include "clients/redis/names.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <chrono>
#include <cstring>
#include <utility>

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

Names::Names(net::LookUp look_up) : shared_(std::make_shared<Shared>(std::move(look_up))) {}

void Names::resolve(std::string host, std::uint16_t port, SteadyTime until, Once<const Addresses&> done) {
  const SteadyTime now = std::chrono::steady_clock::now();
  std::vector<Asker> gone;
  shared_->state.with([&](State& state) {
    if (state.stopped) return;
    Question* joined = nullptr;
    for (auto& [number, question] : state.questions) {
      std::erase_if(question.askers, [&](Asker& asker) {
        if (asker.until > now) return false;
        gone.push_back(std::move(asker));
        return true;
      });
      const bool overdue = question.running && question.until <= now;
      if (question.host == host && question.port == port && !overdue) joined = &question;
    }
    if (joined == nullptr) joined = &(state.questions[state.asked++] = {std::move(host), port, until, false, {}});
    joined->askers.push_back({until, std::move(done)});
  });
  run_next(shared_);
}

// Begins the look-up of the question that has waited longest, while one more may run.
void Names::run_next(const std::shared_ptr<Shared>& shared) {
  for (;;) {
    std::optional<std::uint64_t> number;
    std::string host;
    std::uint16_t port = 0;
    shared->state.with([&](State& state) {
      for (auto at = state.questions.begin(); at != state.questions.end() && state.running < running_max && !number;) {
        Question& question = at->second;
        if (!question.running && question.askers.empty()) {
          at = state.questions.erase(at);
          continue;
        }
        if (!question.running) {
          question.running = true;
          ++state.running;
          number = at->first;
          host = question.host;
          port = question.port;
        }
        ++at;
      }
    });
    if (!number) return;
    shared->resolver.resolve(host, port, [shared, number = *number](const Addresses& found) {
      answer(shared, number, found);
      run_next(shared);
    });
  }
}

void Names::answer(const std::shared_ptr<Shared>& shared, std::uint64_t number, const Addresses& found) {
  std::vector<Asker> told;
  shared->state.with([&](State& state) {
    --state.running;
    const auto question = state.questions.find(number);
    if (question == state.questions.end()) return;
    told.swap(question->second.askers);
    state.questions.erase(question);
    // Inside the lock: when stop() returns, nobody is being told any more.
    for (Asker& asker : told) asker.done(found);
  });
}

void Names::stop() {
  std::map<std::uint64_t, Question> dropped;
  shared_->state.with([&](State& state) {
    state.stopped = true;
    dropped.swap(state.questions);
  });
}

}  // namespace chaveiro::redis
