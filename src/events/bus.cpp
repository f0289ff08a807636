#include "events/bus.h"

#include <charconv>

#include "base/guarded.h"
#include "base/text.h"

namespace chaveiro::events {
namespace {

struct Pending {
  std::vector<std::optional<Result<MessageId>>> answers;
  std::size_t answered = 0;
  std::size_t wake_at = 0;  // answers; whoever waits is woken once, not at each
};

// Publishing goes on once half of what may be ahead is answered: a wake for each answer would cost more than the message.
constexpr std::size_t ahead_max = 20'000;

}  // namespace

std::string to_string(const MessageId& id) {
  return std::to_string(id.partition) + ":" + std::to_string(id.ledger) + ":" + std::to_string(id.entry) + ":" +
         std::to_string(id.batch_index);
}

Result<MessageId> parse_message_id(std::string_view text) {
  std::vector<std::string_view> parts;
  while (parts.size() < 5) {
    const std::size_t colon = text.find(':');
    parts.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
  }
  if (parts.size() != 4)
    return fail(Code::invalid, "BadRequest", "a message id is PARTITION:LEDGER:ENTRY:BATCH, as it is shown");
  MessageId id;
  TRY(const std::int64_t partition, parse_int(parts[0], -1, INT32_MAX));
  TRY(id.ledger, parse_uint(parts[1]));
  TRY(id.entry, parse_uint(parts[2]));
  TRY(const std::int64_t batch, parse_int(parts[3], -1, INT32_MAX));
  id.partition = static_cast<std::int32_t>(partition);
  id.batch_index = static_cast<std::int32_t>(batch);
  return id;
}

std::string_view to_string(SubscriptionType type) {
  switch (type) {
    case SubscriptionType::exclusive:
      return "Exclusive";
    case SubscriptionType::shared:
      return "Shared";
    case SubscriptionType::failover:
      return "Failover";
    case SubscriptionType::key_shared:
      return "Key_Shared";
  }
  return "";
}

Result<MessageId> publish(Bus& bus, std::string_view topic, Message message, Deadline deadline) {
  std::vector<Message> one;
  one.push_back(std::move(message));
  return std::move(publish_all(bus, topic, std::move(one), deadline).front());
}

std::vector<Result<MessageId>> publish_all(Bus& bus, std::string_view topic, std::vector<Message> messages,
                                           Deadline deadline) {
  const std::size_t count = messages.size();
  const auto pending = std::make_shared<Guarded<Pending>>();
  pending->lock()->answers.resize(count);
  const auto wait_for = [&](std::size_t answered) {
    auto it = pending->lock();
    it->wake_at = answered;
    it.wait(deadline, [&](const Pending& now) { return now.answered >= answered; });
  };
  std::size_t next_wait = ahead_max;
  for (std::size_t i = 0; i < count; ++i) {
    if (i == next_wait) {
      wait_for(i - ahead_max / 2);
      next_wait = i + ahead_max / 2;
    }
    bus.publish(topic, std::move(messages[i]), [pending, i](Result<MessageId> answer) {
      const bool wake = pending->with([&](Pending& it) {
        it.answers[i].emplace(std::move(answer));
        return ++it.answered == it.wake_at;
      });
      if (wake) pending->notify_one();
    });
  }
  wait_for(count);
  auto it = pending->lock();
  std::vector<Result<MessageId>> answers;
  answers.reserve(count);
  for (std::optional<Result<MessageId>>& answer : it->answers)
    answers.push_back(answer ? *answer
                             : fail(Code::maybe_applied, "PublishUnanswered",
                                    "the bus has not answered in time; the message may have been published"));
  return answers;
}

}  // namespace chaveiro::events
