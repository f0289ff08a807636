#include "clients/redis/tracked.h"

#include <algorithm>
#include <future>

namespace chaveiro::redis {
namespace {

void told(cache::TrackedMemory& memory, const Value& push) {
  if (push.items.size() < 2 || push.items[0].text != "invalidate") return;
  if (push.items[1].is_nil()) return memory.drop();  // FLUSHALL: the next answer to our question begins anew
  for (const Value& key : push.items[1].items) memory.invalidate(key.text);
}

}  // namespace

Tracked::Tracked(TrackedOptions options, Client& client, const Clock& clock, Logger log)
    : options_(std::move(options)),
      client_(client),
      clock_(clock),
      memory_(std::make_shared<cache::TrackedMemory>(options_.bytes_max, clock)) {
  Command tracking("CLIENT", "TRACKING", "ON");
  if (!options_.prefixes.empty()) tracking.add("BCAST");
  for (const std::string& prefix : options_.prefixes) tracking.add("PREFIX").add(prefix);
  DedicatedOptions dedicated;
  dedicated.name = "chaveiro-tracking";
  dedicated.setup.push_back(std::move(tracking));
  dedicated.on_push = [memory = memory_](const Value& push) { told(*memory, push); };
  dedicated.on_down = [memory = memory_](const Error&) { memory->drop(); };
  connection_ = client.dedicate(std::move(dedicated));
  asking_ = std::make_unique<Periodic>(PeriodicOptions{.name = "tracking",
                                                       .interval = options_.silence_max / 4,
                                                       .jitter = 0,
                                                       .first = PeriodicOptions::First::at_once},
                                       clock, std::move(log), [this](Deadline deadline) { return ask(deadline); });
}

Tracked::~Tracked() { (void)asking_->stop(Deadline::never()); }

// The answer comes after every message that the server had sent before it.
Result<void> Tracked::ask(Deadline deadline) {
  memory_->tick();
  const std::uint64_t life = memory_->life();
  const SteadyTime until = clock_.steady() + options_.silence_max;
  connection_->send(Command("PING"), std::max(deadline, Deadline::in(options_.silence_max)),
                    [memory = memory_, life, until](Result<Value>&& answer) {
                      if (answer) memory->trust_until(until, life);
                    });
  return {};
}

Result<std::optional<std::string>> Tracked::ask_server(std::string_view key, Deadline deadline) {
  const auto ticket = memory_->ticket(key);
  // The value first: if it is replaced before its time is read, the server says so, and nothing is kept.
  const Command get("GET", key), time("PTTL", key);
  Result<Value> held{Value{}}, left{Value{}};
  if (options_.prefixes.empty()) {
    const auto answered = std::make_shared<std::promise<Result<Value>>>();
    auto coming = answered->get_future();
    connection_->send(get, deadline, [answered](Result<Value>&& reply) { answered->set_value(std::move(reply)); });
    left = connection_->call(time, deadline);
    held = coming.get();
  } else {
    Replies replies = client_.pipeline({get, time}, deadline);
    held = std::move(replies.at(0)), left = std::move(replies.at(1));
  }
  TRY(auto text, as_optional_text(std::move(held)));
  if (!text) return std::optional<std::string>();
  TRY(const std::int64_t ms, as_integer(std::move(left)));
  Micros ttl = ms < 0 ? Micros::max() / 4 : Micros{std::chrono::milliseconds{ms}};
  if (options_.ttl_max > Micros{0}) ttl = std::min(ttl, options_.ttl_max);
  constexpr Micros longest = std::chrono::hours{24 * 180};
  if (ms != -2) (void)memory_->fill(key, ticket, *text, std::min(ttl, longest));
  return std::optional<std::string>(std::move(*text));
}

}  // namespace chaveiro::redis
