#include "events/relay.h"

#include <algorithm>
#include <set>

#include "base/guarded.h"

namespace chaveiro::events {

Relay::Relay(RelayOptions options, Outbox& outbox, Bus& bus, LeaderElection* election, Logger log)
    : options_(std::move(options)), outbox_(outbox), bus_(bus), election_(election), log_(std::move(log)) {}

Result<std::uint64_t> Relay::run_once(Deadline deadline) {
  std::uint64_t all = 0;
  while (!deadline.expired()) {
    if (election_ != nullptr && !election_->term()) return all;
    TRY(const std::uint64_t some, round(deadline));
    all += some;
    if (some < options_.round_max) break;
  }
  return all;
}

Result<std::uint64_t> Relay::round(Deadline deadline) {
  TRY(const std::vector<OutboxEvent> events, outbox_.unpublished(0, options_.round_max, deadline));
  step("read");
  std::vector<std::uint64_t> published;
  std::vector<const OutboxEvent*> left;
  for (const OutboxEvent& event : events) left.push_back(&event);
  Result<void> verdict;
  while (!left.empty() && verdict) {
    // One event of each aggregate and topic; the rest waits for the next wave.
    std::set<std::pair<std::string_view, std::string_view>> in_wave;
    std::vector<const OutboxEvent*> wave, later;
    for (const OutboxEvent* event : left)
      (in_wave.emplace(event->topic, event->message.key).second ? wave : later).push_back(event);
    verdict = publish_wave(wave, published, deadline);
    left = std::move(later);
  }
  step("published");
  if (!published.empty()) TRY_VOID(outbox_.published(published, deadline));
  step("forgotten");
  if (!verdict) return std::move(verdict).error();
  return published.size();
}

Result<void> Relay::publish_wave(std::vector<const OutboxEvent*>& wave, std::vector<std::uint64_t>& positions,
                                 Deadline deadline) {
  struct Sent {
    std::size_t answers = 0;
    std::vector<std::size_t> failed;
    std::optional<Error> error;
  };
  const auto sent = std::make_shared<Guarded<Sent>>();
  std::size_t expected = 0;
  const auto send = [&](const std::string& topic, std::size_t i) {
    Message message = wave[i]->message;
    message.sequence = wave[i]->position;
    ++expected;
    bus_.publish(topic, std::move(message), [sent, i](Result<MessageId> answer) {
      sent->with([&](Sent& it) {
        ++it.answers;
        if (answer) return;
        it.failed.push_back(i);
        it.error = std::move(answer).error();
      });
      sent->notify_one();
    });
  };
  for (std::size_t i = 0; i < wave.size(); ++i) {
    send(wave[i]->topic, i);
    if (const auto copy = options_.copies.find(wave[i]->topic); copy != options_.copies.end()) send(copy->second, i);
  }
  auto it = sent->lock();
  if (!it.wait(deadline, [&](const Sent& now) { return now.answers == expected; }))
    return fail(Code::maybe_applied, "PublishUnanswered",
                "the bus has not answered in time; the events are published again");
  const std::set<std::size_t> failed(it->failed.begin(), it->failed.end());
  for (std::size_t i = 0; i < wave.size(); ++i)
    if (!failed.contains(i)) positions.push_back(wave[i]->position);
  if (it->error) return *it->error;
  return {};
}

}  // namespace chaveiro::events
