// A consumer of one or more topics of a LogBus.
#include <algorithm>

#include "events/log/impl.h"

namespace chaveiro::events::log {
namespace {

constexpr std::size_t read_ahead = 1'000;
constexpr Micros unreadable_pause = std::chrono::seconds{1};

class LogSubscription final : public Subscription {
 public:
  struct Source {
    std::shared_ptr<Topic> topic;
    std::shared_ptr<SharedGroup> shared;
    Group::MemberId member = 0;
  };

  LogSubscription(LogBus::Impl& bus, SubscribeOptions options, std::vector<Source> sources)
      : bus_(bus), options_(std::move(options)), sources_(std::move(sources)) {}
  ~LogSubscription() override { static_cast<void>(close(Deadline::never())); }

  Result<std::vector<Received>> receive(std::size_t max, Deadline deadline) override;
  Result<void> ack(std::span<const Delivery> deliveries) override;
  Result<void> ack_up_to(const Delivery& delivery) override;
  Result<void> nack(const Delivery& delivery, std::optional<Micros> delay) override;
  Result<void> seek(const SeekTo& to, Deadline deadline) override;
  Result<Lag> lag(Deadline deadline) override;
  Result<void> close(Deadline deadline) override;

 private:
  static std::uint32_t partition_of(const Delivery& delivery) {
    return static_cast<std::uint32_t>(std::max(delivery.id.partition, 0));
  }
  Result<std::vector<Received>> take_from(std::uint32_t place, std::size_t max, bool& progress);
  Result<std::vector<std::pair<Place, Stored>>> read(const Topic& topic, const Group::Want& want) const;
  Result<std::vector<Cursor>> cursors_at(const Topic& topic, const SeekTo& to, const std::vector<Cursor>& now) const;
  std::optional<SteadyTime> wakes_at() const;

  LogBus::Impl& bus_;
  const SubscribeOptions options_;
  const std::vector<Source> sources_;
  Guarded<std::uint32_t> turn_;
  Guarded<bool> closed_;
};

Result<std::vector<std::pair<Place, Stored>>> LogSubscription::read(const Topic& topic, const Group::Want& want) const {
  std::vector<std::pair<Place, Stored>> found;
  if (want.from) {
    TRY(std::vector<Stored> stored, topic.partitions[want.from->partition]->read(want.from->offset, read_ahead));
    for (Stored& one : stored) {
      const Place place{want.from->partition, one.offset};
      found.emplace_back(place, std::move(one));
    }
    return found;
  }
  for (std::size_t i = 0; i < want.again.size();) {
    std::size_t run = 1;
    while (i + run < want.again.size() && want.again[i + run].partition == want.again[i].partition &&
           want.again[i + run].offset == want.again[i].offset + run)
      ++run;
    TRY(std::vector<Stored> stored, topic.partitions[want.again[i].partition]->read(want.again[i].offset, run));
    for (Stored& one : stored) {
      const Place place{want.again[i].partition, one.offset};
      if (place.offset < want.again[i].offset + run) found.emplace_back(place, std::move(one));
    }
    // What was not answered because the rest was too long is asked for again.
    i += stored.empty() || stored.back().offset + 1 >= want.again[i].offset + run
             ? run
             : static_cast<std::size_t>(stored.back().offset + 1 - want.again[i].offset);
  }
  return found;
}

Result<std::vector<Received>> LogSubscription::take_from(std::uint32_t place, std::size_t max, bool& progress) {
  const Source& source = sources_[place];
  Group::Want want;
  {
    auto group = source.shared->group.lock();
    std::vector<Received> taken = group->take(source.member, max, bus_.clock.steady());
    if (taken.empty()) {
      want = group->want(source.member, source.topic->partitions, bus_.clock.steady(), bus_.clock.now());
      if (!want.nothing()) progress = true;
    }
    if (!taken.empty()) {
      for (Received& received : taken) received.delivery.topic = place;
      return taken;
    }
  }
  if (want.nothing()) return std::vector<Received>();
  auto found = read(*source.topic, want);
  std::size_t members = 0;
  {
    auto group = source.shared->group.lock();
    if (!found) {
      group->unread(want, bus_.clock.steady() + unreadable_pause);
      return std::move(found).error();
    }
    group->put(want, std::move(*found), bus_.clock.steady(), bus_.clock.now());
    members = group->members();
  }
  if (members > 1) bus_.signal();
  return std::vector<Received>();
}

std::optional<SteadyTime> LogSubscription::wakes_at() const {
  std::optional<SteadyTime> earliest;
  for (const Source& source : sources_) {
    const auto its = source.shared->group.lock()->wakes_at();
    if (its && (!earliest || *its < *earliest)) earliest = its;
  }
  return earliest;
}

Result<std::vector<Received>> LogSubscription::receive(std::size_t max, Deadline deadline) {
  for (;;) {
    if (*closed_.lock()) return fail(Code::cancelled, "SubscriptionClosed", "the subscription was closed");
    const std::uint64_t seen = *bus_.changed.lock();
    bool progress = false;
    const std::uint32_t first = turn_.with([](std::uint32_t& turn) { return turn++; });
    for (std::uint32_t i = 0; i < sources_.size(); ++i) {
      TRY(auto taken, take_from((first + i) % static_cast<std::uint32_t>(sources_.size()),
                                std::max<std::size_t>(max, 1), progress));
      if (!taken.empty()) return taken;
    }
    if (progress) continue;
    if (deadline.expired()) return std::vector<Received>();
    Deadline wake = deadline;
    if (const auto due = wakes_at()) {
      const auto left = std::chrono::ceil<Micros>(*due - bus_.clock.steady());
      wake = deadline.capped(std::max(left, Micros{0}));
    }
    auto changed = bus_.changed.lock();
    changed.wait(wake, [&](std::uint64_t now) { return now != seen; });
  }
}

Result<void> LogSubscription::ack(std::span<const Delivery> deliveries) {
  for (std::size_t i = 0; i < deliveries.size();) {
    const std::uint32_t topic = deliveries[i].topic;
    if (topic >= sources_.size()) return fail_field("delivery", "is not of this subscription");
    auto group = sources_[topic].shared->group.lock();
    for (; i < deliveries.size() && deliveries[i].topic == topic; ++i)
      group->ack(partition_of(deliveries[i]), deliveries[i].id.entry, deliveries[i].epoch);
  }
  return {};
}

Result<void> LogSubscription::ack_up_to(const Delivery& delivery) {
  if (options_.type == SubscriptionType::shared || options_.type == SubscriptionType::key_shared)
    return fail(Code::invalid, "CumulativeAck", "a subscription with several consumers acknowledges one by one");
  if (delivery.topic >= sources_.size()) return fail_field("delivery", "is not of this subscription");
  sources_[delivery.topic].shared->group.lock()->ack_up_to(partition_of(delivery), delivery.id.entry, delivery.epoch);
  return {};
}

Result<void> LogSubscription::nack(const Delivery& delivery, std::optional<Micros> delay) {
  if (delivery.topic >= sources_.size()) return fail_field("delivery", "is not of this subscription");
  sources_[delivery.topic].shared->group.lock()->nack(partition_of(delivery), delivery.id.entry, delivery.epoch,
                                                      bus_.clock.steady() + delay.value_or(options_.nack_delay));
  bus_.signal();
  return {};
}

Result<std::vector<Cursor>> LogSubscription::cursors_at(const Topic& topic, const SeekTo& to,
                                                        const std::vector<Cursor>& now) const {
  std::vector<Cursor> cursors;
  for (std::uint32_t p = 0; p < topic.partitions.size(); ++p) {
    const Partition& partition = *topic.partitions[p];
    Cursor& cursor = cursors.emplace_back();
    if (std::holds_alternative<Earliest>(to)) cursor.base = partition.begin();
    if (std::holds_alternative<Latest>(to)) cursor.base = partition.end();
    if (const auto* time = std::get_if<UtcTime>(&to)) {
      TRY(cursor.base, partition.offset_at(*time));
    }
    if (const auto* id = std::get_if<MessageId>(&to)) {
      if (std::max(id->partition, 0) == static_cast<std::int32_t>(p)) {
        cursor.base = std::min(id->entry, partition.end());
      } else {
        cursor = now[p];
      }
    }
  }
  return cursors;
}

Result<void> LogSubscription::seek(const SeekTo& to, Deadline deadline) {
  if (std::holds_alternative<MessageId>(to) && sources_.size() != 1)
    return fail_field("message id", "names a place in one topic; this subscription has several");
  for (const Source& source : sources_) {
    const std::vector<Cursor> now = source.shared->group.lock()->cursors();
    TRY(std::vector<Cursor> cursors, cursors_at(*source.topic, to, now));
    source.shared->group.lock()->seek(std::move(cursors));
    TRY_VOID(bus_.save(*source.topic, *source.shared));
  }
  bus_.signal();
  return deadline.expired()
             ? Result<void>(fail(Code::maybe_applied, "DeadlineExceeded", "the seek came late, and is done"))
             : Result<void>{};
}

Result<Lag> LogSubscription::lag(Deadline) {
  Lag sum;
  for (const Source& source : sources_) {
    const Lag its = source.shared->group.lock()->lag(source.topic->partitions);
    sum.messages += its.messages;
    sum.in_flight += its.in_flight;
  }
  return sum;
}

Result<void> LogSubscription::close(Deadline) {
  if (std::exchange(*closed_.lock(), true)) return {};
  Result<void> verdict;
  for (const Source& source : sources_) {
    std::size_t left = 0;
    {
      auto group = source.shared->group.lock();
      group->leave(source.member, bus_.clock.steady());
      left = group->members();
    }
    if (auto saved = bus_.save(*source.topic, *source.shared); !saved) verdict = std::move(saved);
    if (left == 0 && !source.shared->durable) source.topic->groups.lock()->erase(source.shared->name);
  }
  bus_.signal();
  return verdict;
}

// The group of this name, made where it is not there.
Result<std::shared_ptr<SharedGroup>> group_of(Topic& topic, const SubscribeOptions& options) {
  auto groups = topic.groups.lock();
  auto& shared = (*groups)[options.name];
  std::vector<Cursor> cursors;
  if (shared) {
    const auto group = shared->group.lock();
    if (group->members() > 0 || group->type() == options.type) return shared;
    cursors = group->cursors();  // nobody is there: the type may change
  } else {
    for (const auto& partition : topic.partitions)
      cursors.push_back({options.begin == SubscribeOptions::Begin::latest ? partition->end() : partition->begin(), {}});
  }
  shared = std::make_shared<SharedGroup>(options.name, options.durable, options.type, std::move(cursors));
  return shared;
}

}  // namespace

Result<std::unique_ptr<Subscription>> open_subscription(LogBus::Impl& bus, SubscribeOptions options) {
  std::vector<LogSubscription::Source> sources;
  const auto leave_all = [&] {
    for (const auto& source : sources) source.shared->group.lock()->leave(source.member, bus.clock.steady());
  };
  for (const std::string& name : options.topics) {
    const auto topic = bus.find(name);
    TRY(auto shared, group_of(*topic, options));
    auto member = shared->group.lock()->join(options);
    if (!member) {
      leave_all();
      return std::move(member).error();
    }
    sources.push_back({topic, shared, *member});
    if (auto saved = bus.save(*topic, *shared); !saved) {
      leave_all();
      return std::move(saved).error();
    }
  }
  return std::unique_ptr<Subscription>(std::make_unique<LogSubscription>(bus, std::move(options), std::move(sources)));
}

}  // namespace chaveiro::events::log
