#include "events/dead_letter_desk.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/mask.h"
#include "events/domain_event.h"

namespace chaveiro::events {
namespace {

// Ids, states and times: nothing that tells who a person is.
constexpr std::string_view harmless[] = {
    "account_id", "account_type", "claim_id",       "claimer",   "completion_end", "created_at", "deleted_at",
    "donor",      "entry_id",     "key_type",       "opened_at", "owned_since",    "owner_type", "participant",
    "reason",     "request_id",   "resolution_end", "status",    "success",        "type",       "updated_at"};

std::string masked_text(std::string_view name, std::string_view text) {
  if (std::find(std::begin(harmless), std::end(harmless), name) != std::end(harmless)) return std::string(text);
  if (name == "key") return mask_key_like(text);
  if (name == "owner_name" || name == "owner_trade_name") return mask_name(text);
  if (name == "owner_tax_id") return mask_key_like(text);
  return "***";
}

std::string masked_data(const std::string& data) {
  namespace json = boost::json;
  boost::system::error_code failed;
  json::value value = json::parse(data, failed);
  if (failed || !value.is_object()) return R"("***")";
  for (json::key_value_pair& member : value.get_object()) {
    const std::string_view name(member.key().data(), member.key().size());
    if (member.value().is_string()) {
      const json::string& text = member.value().get_string();
      member.value() = masked_text(name, {text.data(), text.size()});
    } else if (!member.value().is_bool() && !member.value().is_null()) {
      member.value() = "***";
    }
  }
  return json::serialize(value);
}

}  // namespace

std::string masked_body(const Message& message) {
  auto event = event_of(message);
  if (!event) return "*** (" + std::to_string(message.body.size()) + " bytes)";
  event->data = masked_data(event->data);
  event->unknown.clear();
  return to_json(*event);
}

Result<std::unique_ptr<DeadLetterDesk>> DeadLetterDesk::open(DeskOptions options, Bus& bus, Discarded discarded,
                                                             Deadline deadline) {
  SubscribeOptions subscribe;
  subscribe.topics = {options.topic};
  subscribe.name = options.subscription;
  subscribe.type = SubscriptionType::failover;
  subscribe.queue_max = options.letters_max;
  TRY(auto subscription, bus.subscribe(std::move(subscribe), deadline));
  return std::unique_ptr<DeadLetterDesk>(
      new DeadLetterDesk(std::move(options), bus, std::move(discarded), std::move(subscription)));
}

// What came since.
Result<void> DeadLetterDesk::fetch(Deadline deadline) {
  for (;;) {
    const std::size_t held = state_.lock()->letters.size();
    if (held >= options_.letters_max) return {};
    TRY(std::vector<Received> some, subscription_->receive(std::min<std::size_t>(options_.letters_max - held, 1'000),
                                                           deadline.capped(std::chrono::milliseconds{20})));
    if (some.empty()) return {};
    for (Received& received : some) {
      auto letter = dead_letter_of(received.message);
      if (!letter) {
        TRY_VOID(subscription_->ack(received));  // nothing that a consumer gave up
        continue;
      }
      const MessageId id = received.delivery.id;
      state_.lock()->letters[id] = {received.delivery, std::move(*letter)};
    }
  }
}

Result<std::vector<LetterView>> DeadLetterDesk::list(const std::string& subscription, std::size_t limit,
                                                     Deadline deadline) {
  TRY_VOID(fetch(deadline));
  std::vector<LetterView> found;
  const auto state = state_.lock();
  for (const auto& [id, held] : state->letters) {
    if (found.size() == limit) break;
    if (subscription.empty() || held.letter.subscription == subscription) found.push_back({to_string(id), held.letter});
  }
  return found;
}

Result<LetterView> DeadLetterDesk::show(const std::string& id, Deadline deadline) {
  TRY(const MessageId wanted, parse_message_id(id));
  TRY_VOID(fetch(deadline));
  const auto state = state_.lock();
  const auto found = state->letters.find(wanted);
  if (found == state->letters.end()) return fail(Code::not_found, "NoDeadLetter", "no dead letter has this id");
  return LetterView{id, found->second.letter};
}

Result<void> DeadLetterDesk::settle(const MessageId& id) {
  std::optional<Delivery> delivery;
  state_.with([&](State& state) {
    const auto found = state.letters.find(id);
    if (found == state.letters.end()) return;
    delivery = found->second.delivery;
    state.letters.erase(found);
  });
  return delivery ? subscription_->ack({&*delivery, 1}) : Result<void>{};
}

Result<ReplayProgress> DeadLetterDesk::replay(const ReplayRequest& request,
                                              const std::function<bool(const ReplayProgress&)>& progress,
                                              Deadline deadline) {
  std::vector<LetterView> letters;
  if (request.ids.empty()) {
    TRY(letters, list(request.subscription, options_.letters_max, deadline));
  } else {
    for (const std::string& id : request.ids) {
      TRY(LetterView letter, show(id, deadline));
      letters.push_back(std::move(letter));
    }
  }
  ReplayProgress done;
  done.wanted = letters.size();
  if (request.dry_run) return done;
  const SteadyTime begin = std::chrono::steady_clock::now();
  for (const LetterView& view : letters) {
    if (request.rate_max > 0) {
      const SteadyTime due =
          begin + std::chrono::microseconds{1'000'000 * (done.replayed + done.failed) / request.rate_max};
      Guarded<bool> never;
      never.lock().wait(Deadline::at(std::min(due, deadline.when())), [](bool it) { return it; });
    }
    if (deadline.expired())
      return fail(Code::deadline, "DeadlineExceeded",
                  std::to_string(done.replayed) + " were replayed before the time was over");
    const bool sent =
        publish(bus_, request.to.empty() ? view.letter.topic : request.to, replay_of(view.letter), deadline)
            .has_value();
    if (sent) TRY_VOID(settle(*parse_message_id(view.id)));
    ++(sent ? done.replayed : done.failed);
    if (progress && !progress(done)) break;
  }
  return done;
}

Result<std::uint64_t> DeadLetterDesk::discard(const std::vector<std::string>& ids, Deadline deadline) {
  std::uint64_t gone = 0;
  for (const std::string& id : ids) {
    TRY(const LetterView view, show(id, deadline));
    if (discarded_) TRY_VOID(discarded_(view.letter, deadline));
    TRY_VOID(settle(*parse_message_id(id)));
    ++gone;
  }
  return gone;
}

Result<DeadLetterDesk::Depth> DeadLetterDesk::depth(Deadline deadline) {
  TRY_VOID(fetch(deadline));
  Depth depth;
  const auto state = state_.lock();
  depth.letters = state->letters.size();
  for (const auto& [id, held] : state->letters)
    if (!depth.oldest || held.letter.at < *depth.oldest) depth.oldest = held.letter.at;
  return depth;
}

}  // namespace chaveiro::events
