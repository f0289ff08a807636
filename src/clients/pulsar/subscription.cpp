#include "clients/pulsar/subscription.h"

#include <algorithm>
#include <set>

#include "base/uuid.h"
#include "clients/pulsar/bus_impl.h"
#include "clients/pulsar/latch.h"
#include "clients/pulsar/topic_pattern.h"

namespace chaveiro::clients::pulsar {
namespace {

constexpr auto close_time_max = std::chrono::seconds{10};

events::SubscribeOptions checked(events::SubscribeOptions options) {
  options.queue_max = std::max<std::size_t>(options.queue_max, 1);
  return options;
}

}  // namespace

// What outlives a call: the loop's callbacks hold it. They may not hold the bus, whose end waits for the loop's.
struct PulsarSubscription::Shared : std::enable_shared_from_this<Shared> {
  Shared(PulsarBus::Impl& its_bus, events::SubscribeOptions its_options, SubscribeExtras its_extras)
      : bus(its_bus), options(checked(std::move(its_options))), extras(std::move(its_extras)) {}

  struct Topic {
    std::string name;
    std::size_t first = 0;  // of its consumers
    std::size_t count = 0;
  };
  struct Members {
    std::vector<Topic> topics;  // by Delivery::topic
    Consumers consumers;        // by Queue::Item::consumer
    bool closed = false;
  };

  Loop& loop() const { return bus.client->loop(); }
  Consumers add(const std::string& topic, std::uint32_t partitions);
  // On the loop.
  void discover(const std::function<void(Result<void>)>& done);
  void discover_later();

  PulsarBus::Impl& bus;
  const events::SubscribeOptions options;
  const SubscribeExtras extras;
  std::optional<TopicPattern> pattern;
  // In the order of making: of a failover subscription's consumers the first one stays the active one.
  const std::string consumer_name =
      std::to_string(bus.client->now().time_since_epoch().count()) + "-" + to_string(uuid_v4());
  const std::shared_ptr<Guarded<Queue>> queue = std::make_shared<Guarded<Queue>>();
  Guarded<Members> members;
};

// Its consumers, not opened yet; none where it is a member already.
PulsarSubscription::Consumers PulsarSubscription::Shared::add(const std::string& topic, std::uint32_t partitions) {
  Consumers made;
  members.with([&](Members& now) {
    const auto is_this = [&](const Topic& it) { return it.name == topic; };
    if (now.closed || std::any_of(now.topics.begin(), now.topics.end(), is_this)) return;
    const std::uint32_t count = std::max(partitions, 1u);
    const std::size_t share = extras.pattern.empty() ? options.topics.size() * count : count;
    for (std::uint32_t p = 0; p < count; ++p) {
      ConsumerOptions its;
      its.partition = partitions == 0 ? -1 : static_cast<std::int32_t>(p);
      its.topic = partition_topic(topic, its.partition);
      its.place = static_cast<std::uint32_t>(now.consumers.size() + p);
      its.topic_place = static_cast<std::uint32_t>(now.topics.size());
      its.subscription = options.name;
      its.type = options.type;
      its.begin = options.begin;
      its.durable = options.durable;
      its.name = consumer_name;
      its.permits_max = static_cast<std::uint32_t>(std::max<std::size_t>(options.queue_max / share, 1));
      its.nack_delay = options.nack_delay;
      its.nack_delay_max = extras.nack_delay_max;
      its.ack_timeout = options.ack_timeout;
      its.ack_timeout_max = extras.ack_timeout_max;
      its.ack_delay = bus.options.ack_delay;
      if (extras.start && its.partition == extras.start->partition)
        its.start = Slot{{extras.start->ledger, extras.start->entry},
                         static_cast<std::uint32_t>(std::max(extras.start->batch_index, 0))};
      if (extras.on_active)
        its.on_active = [tell = extras.on_active, name = its.topic](bool active) { tell(name, active); };
      made.push_back(std::make_shared<Consumer>(*bus.client, std::move(its), queue));
    }
    now.topics.push_back({topic, now.consumers.size(), count});
    now.consumers.insert(now.consumers.end(), made.begin(), made.end());
  });
  bus.consumers.with([&](auto& all) {
    std::erase_if(all, [](const auto& weak) { return weak.expired(); });
    all.insert(all.end(), made.begin(), made.end());
  });
  return made;
}

// --- patterns

void PulsarSubscription::Shared::discover(const std::function<void(Result<void>)>& done) {
  bus.client->topics(
      pattern->name_space(), [self = shared_from_this(), done](const Result<std::vector<std::string>>& names) {
        if (!names) return done(names.error());
        std::set<std::string> fresh;
        for (const std::string& name : *names)
          if (self->pattern->matches(name)) fresh.insert(without_partition(name));
        self->members.with([&](const Members& mine) {
          for (const Topic& topic : mine.topics) fresh.erase(topic.name);
        });
        if (fresh.empty()) return done({});
        // One answer for each of them; the last one of all is told.
        struct Pending {
          std::size_t left;
          Result<void> how;
        };
        const auto pending = std::make_shared<Pending>(Pending{fresh.size(), {}});
        const auto one_done = [pending, done](const Result<void>& how) {
          if (!how && pending->how) pending->how = how;
          if (--pending->left == 0) done(pending->how);
        };
        for (const std::string& name : fresh)
          self->bus.client->partitions(name, [self, name, one_done](const Result<std::uint32_t>& partitions) {
            if (!partitions) return one_done(partitions.error());
            const Consumers made = self->add(name, *partitions);
            if (made.empty()) return one_done({});
            const auto left = std::make_shared<Pending>(Pending{made.size(), {}});
            for (const auto& consumer : made)
              consumer->open([left, one_done](const Result<void>& how) {
                if (!how && left->how) left->how = how;
                if (--left->left == 0) one_done(left->how);
              });
          });
      });
}

void PulsarSubscription::Shared::discover_later() {
  if (extras.discovery_period == Micros{0}) return;
  loop().at(std::chrono::steady_clock::now() + extras.discovery_period, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->members.lock()->closed) return;
    self->discover([self](const Result<void>& how) {
      if (!how)
        self->bus.log.warn("new topics of a pattern could not all be opened; it is tried again",
                           {{"pattern", self->extras.pattern}, {"error", how.error()}});
      self->discover_later();
    });
  });
}

Result<std::unique_ptr<PulsarSubscription>> open_subscription(const std::shared_ptr<PulsarBus::Impl>& bus,
                                                              events::SubscribeOptions options, SubscribeExtras extras,
                                                              Deadline deadline) {
  if (options.name.empty()) return fail_field("subscription", "needs a name");
  if (options.topics.empty() == extras.pattern.empty())
    return fail_field("topics", "a subscription has topics or a pattern");
  if (extras.start && (options.durable || options.topics.size() != 1))
    return fail_field("start", "is for a subscription of one topic that is not durable");
  const auto shared = std::make_shared<PulsarSubscription::Shared>(*bus, std::move(options), std::move(extras));
  std::unique_ptr<PulsarSubscription> made(new PulsarSubscription(bus, shared));
  if (!shared->extras.pattern.empty()) {
    TRY(shared->pattern, TopicPattern::parse(shared->extras.pattern));
    const auto found = std::make_shared<Latch>(1);
    shared->loop().post(
        [shared, found] { shared->discover([found](const Result<void>& how) { found->answer(how); }); });
    TRY_VOID(found->wait(deadline));
    shared->loop().post([shared] { shared->discover_later(); });
    return made;
  }
  for (const std::string& topic : shared->options.topics) {
    TRY(const std::uint32_t partitions, bus->partitions(topic, deadline));
    static_cast<void>(shared->add(topic, partitions));
  }
  TRY_VOID(made->for_each(made->consumers(), deadline,
                          [](Consumer& consumer, Consumer::Done done) { consumer.open(std::move(done)); }));
  return made;
}

// --- calls

PulsarSubscription::~PulsarSubscription() { static_cast<void>(close(Deadline::in(close_time_max))); }

Result<void> PulsarSubscription::for_each(
    const Consumers& consumers, Deadline deadline,
    const std::function<void(Consumer&, std::function<void(Result<void>)>)>& what) {
  const auto done = std::make_shared<Latch>(consumers.size());
  shared_->loop().post([consumers, what, done, shared = shared_] {
    for (const auto& consumer : consumers)
      what(*consumer, [done, shared](const Result<void>& how) { done->answer(how); });
  });
  return done->wait(deadline);
}

PulsarSubscription::Consumers PulsarSubscription::consumers() const {
  return shared_->members.with([](const Shared::Members& now) { return now.consumers; });
}

std::shared_ptr<Consumer> PulsarSubscription::consumer_of(const events::Delivery& delivery) const {
  return shared_->members.with([&](const Shared::Members& now) -> std::shared_ptr<Consumer> {
    if (delivery.topic >= now.topics.size()) return nullptr;
    const Shared::Topic& topic = now.topics[delivery.topic];
    const auto partition = static_cast<std::size_t>(std::max(delivery.id.partition, 0));
    return partition < topic.count ? now.consumers[topic.first + partition] : nullptr;
  });
}

std::string PulsarSubscription::topic_of(const events::Delivery& delivery) const {
  return shared_->members.with([&](const Shared::Members& now) {
    return delivery.topic < now.topics.size() ? now.topics[delivery.topic].name : std::string();
  });
}

Result<std::vector<events::Received>> PulsarSubscription::receive(std::size_t max, Deadline deadline) {
  std::vector<events::Received> taken;
  std::map<std::uint32_t, std::vector<events::Delivery>> by_consumer;
  std::pair<std::uint32_t, std::vector<events::Delivery>*> last{0, nullptr};  // mostly the next is of the same one
  {
    auto queue = shared_->queue->lock();
    queue.wait(deadline, [](const Queue& it) { return !it.items.empty() || it.failed || it.closed; });
    if (queue->closed) return fail(Code::cancelled, "SubscriptionClosed", "the subscription was closed");
    while (!queue->items.empty() && taken.size() < std::max<std::size_t>(max, 1)) {
      Queue::Item item = std::move(queue->items.front());
      queue->items.pop_front();
      if (last.second == nullptr || last.first != item.consumer) last = {item.consumer, &by_consumer[item.consumer]};
      last.second->push_back(item.received.delivery);
      taken.push_back(std::move(item.received));
    }
    if (taken.empty() && queue->failed) return *queue->failed;
  }
  shared_->members.with([&](const Shared::Members& now) {
    for (auto& [place, deliveries] : by_consumer)
      shared_->loop().post([consumer = now.consumers[place], its = std::move(deliveries)] { consumer->taken(its); });
  });
  return taken;
}

Result<std::vector<events::Received>> PulsarSubscription::receive_batch(std::size_t max, Deadline deadline) {
  std::vector<events::Received> all;
  while (all.size() < max) {
    auto some = receive(max - all.size(), deadline);
    if (!some && all.empty()) return some;
    if (!some || some->empty()) break;
    std::move(some->begin(), some->end(), std::back_inserter(all));
  }
  return all;
}

Result<void> PulsarSubscription::ack(std::span<const events::Delivery> deliveries) {
  std::map<std::shared_ptr<Consumer>, std::vector<events::Delivery>> by_consumer;
  std::pair<const events::Delivery*, std::vector<events::Delivery>*> last{nullptr, nullptr};
  for (const events::Delivery& delivery : deliveries) {
    if (last.first == nullptr || last.first->topic != delivery.topic ||
        last.first->id.partition != delivery.id.partition) {
      const auto consumer = consumer_of(delivery);
      if (!consumer) return fail_field("delivery", "is not of this subscription");
      last = {&delivery, &by_consumer[consumer]};
    }
    last.second->push_back(delivery);
  }
  for (auto& [consumer, its] : by_consumer)
    shared_->loop().post([to = consumer, list = std::move(its)] { to->ack(list); });
  return {};
}

Result<void> PulsarSubscription::ack_up_to(const events::Delivery& delivery) {
  const auto type = shared_->options.type;
  if (type == events::SubscriptionType::shared || type == events::SubscriptionType::key_shared)
    return fail(Code::invalid, "CumulativeAck", "a subscription with several consumers acknowledges one by one");
  const auto consumer = consumer_of(delivery);
  if (!consumer) return fail_field("delivery", "is not of this subscription");
  shared_->loop().post([consumer, delivery] { consumer->ack_up_to(delivery); });
  return {};
}

Result<void> PulsarSubscription::nack(const events::Delivery& delivery, std::optional<Micros> delay) {
  const auto consumer = consumer_of(delivery);
  if (!consumer) return fail_field("delivery", "is not of this subscription");
  shared_->loop().post([consumer, delivery, delay] { consumer->nack(delivery, delay); });
  return {};
}

Result<void> PulsarSubscription::seek(const events::SeekTo& to, Deadline deadline) {
  Consumers moved = consumers();
  if (const auto* id = std::get_if<events::MessageId>(&to)) {
    if (shared_->members.lock()->topics.size() != 1)
      return fail_field("message id", "names a place in one topic; this subscription has several");
    const auto consumer = consumer_of({0, *id, 0});
    if (!consumer) return fail_field("message id", "names a partition that is not there");
    moved = {consumer};
  }
  auto done = for_each(moved, deadline,
                       [to](Consumer& consumer, Consumer::Done sought) { consumer.seek(to, std::move(sought)); });
  if (!done && done.error().code == Code::deadline)
    return fail(Code::maybe_applied, "DeadlineExceeded", "the broker has not answered in time; the seek may be done");
  return done;
}

Result<std::vector<std::optional<Slot>>> PulsarSubscription::last(Deadline deadline) {
  const Consumers asked = consumers();
  const auto found = std::make_shared<Guarded<std::vector<std::optional<Slot>>>>();
  found->lock()->resize(asked.size());
  const auto done = std::make_shared<Latch>(asked.size());
  shared_->loop().post([asked, found, done] {
    for (std::size_t i = 0; i < asked.size(); ++i)
      asked[i]->last([found, done, i](const Result<std::optional<Slot>>& last) {
        if (!last) return done->answer(last.error());
        (*found->lock())[i] = *last;
        done->answer({});
      });
  });
  TRY_VOID(done->wait(deadline));
  return *found->lock();
}

Result<events::Lag> PulsarSubscription::lag(Deadline deadline) {
  std::vector<std::string> names;
  shared_->members.with([&](const Shared::Members& members) {
    for (const Shared::Topic& topic : members.topics) names.push_back(topic.name);
  });
  events::Lag sum;
  for (const std::string& topic : names) {
    TRY(const events::Lag its, shared_->bus.admin->lag(topic, shared_->options.name, deadline));
    sum.messages += its.messages;
    sum.in_flight += its.in_flight;
  }
  return sum;
}

// --- the end

void PulsarSubscription::hand_out_no_more() {
  shared_->queue->lock()->closed = true;
  shared_->queue->notify_all();
  shared_->members.lock()->closed = true;
}

Result<void> PulsarSubscription::close_consumers(Deadline deadline) {
  const Consumers all = consumers();
  const auto closed =
      for_each(all, deadline, [](Consumer& consumer, Consumer::Done done) { consumer.close(std::move(done)); });
  shared_->loop().post([all] {
    for (const auto& consumer : all) consumer->abandon();
  });
  return closed;
}

Result<void> PulsarSubscription::close(Deadline deadline) {
  if (std::exchange(*closed_.lock(), true)) return {};
  hand_out_no_more();
  return close_consumers(deadline);
}

Result<void> PulsarSubscription::drain(Deadline deadline) {
  if (std::exchange(*closed_.lock(), true)) return {};
  hand_out_no_more();
  const auto drained =
      for_each(consumers(), deadline, [](Consumer& consumer, Consumer::Done done) { consumer.drain(std::move(done)); });
  const auto closed = close_consumers(drained ? deadline : Deadline::in(close_time_max));
  return drained ? closed : drained;
}

}  // namespace chaveiro::clients::pulsar
