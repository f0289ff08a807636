#include "app/event_admin.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;
namespace ev = events;

Error away() {
  return fail(Code::unavailable, "EventsUnavailable",
              "this process has no event log now; another one on the same data has it");
}

std::string joined(const std::vector<std::string>& ids) {
  std::string text;
  for (const std::string& id : ids) text.append(text.empty() ? "" : " ").append(id);
  return text;
}

}  // namespace

Result<void> EventAdmin::may(const dir::Context& context, api::Bodies bodies) const {
  const dir::Roles& roles = context.caller.roles;
  if (roles.has(dir::Role::admin)) return {};
  if (bodies == api::Bodies::revealed)
    return fail(Code::forbidden, "Forbidden", "only an admin may see personal data in events");
  if (roles.has(dir::Role::operator_)) return {};
  return fail(Code::forbidden, "Forbidden", "events are the operators' business");
}

Result<void> EventAdmin::note(const dir::Context& context, std::string operation, std::string text) {
  dir::Note note;
  note.operation = std::move(operation);
  note.resource_type = "event";
  note.ispb = context.caller.ispb;
  note.actor = {context.caller.subject, context.correlation_id};
  note.at = clock_.now();
  note.text = std::move(text);
  return store_.note(note, context.deadline);
}

Result<std::shared_ptr<ev::DeadLetterDesk>> EventAdmin::desk(Deadline deadline) {
  if (auto found = service_.desk(deadline)) return found;
  return away();
}
Result<std::shared_ptr<ev::Bus>> EventAdmin::bus(Deadline deadline) {
  if (auto found = service_.bus(deadline)) return found;
  return away();
}

Result<std::vector<ev::LetterView>> EventAdmin::dead_letters(const dir::Context& context,
                                                             const std::string& subscription, std::size_t limit) {
  TRY_VOID(may(context, api::Bodies::masked));
  TRY(const auto letters, desk(context.deadline));
  return letters->list(subscription, limit, context.deadline);
}

Result<ev::LetterView> EventAdmin::dead_letter(const dir::Context& context, const std::string& id, api::Bodies bodies) {
  TRY_VOID(may(context, bodies));
  TRY(const auto letters, desk(context.deadline));
  TRY(ev::LetterView letter, letters->show(id, context.deadline));
  if (bodies == api::Bodies::masked) {
    letter.letter.original.body = ev::masked_body(letter.letter.original);
  } else {
    TRY_VOID(note(context, "reveal_dead_letter", id));
  }
  return letter;
}

Result<ev::ReplayProgress> EventAdmin::replay_dead_letters(const dir::Context& context,
                                                           const ev::ReplayRequest& request) {
  TRY_VOID(may(context, api::Bodies::masked));
  TRY(const auto letters, desk(context.deadline));
  if (!request.dry_run) TRY_VOID(note(context, "replay_dead_letters", joined(request.ids)));
  return letters->replay(request, {}, context.deadline);
}

Result<std::uint64_t> EventAdmin::discard_dead_letters(const dir::Context& context,
                                                       const std::vector<std::string>& ids) {
  TRY_VOID(may(context, api::Bodies::masked));
  TRY(const auto letters, desk(context.deadline));
  TRY_VOID(note(context, "discard_dead_letters", joined(ids)));
  return letters->discard(ids, context.deadline);
}

Result<std::vector<api::TailedEvent>> EventAdmin::tail(const dir::Context& context, const std::string& topic,
                                                       std::optional<UtcTime> from, std::size_t limit,
                                                       api::Bodies bodies) {
  TRY_VOID(may(context, bodies));
  TRY(const auto events, bus(context.deadline));
  if (bodies == api::Bodies::revealed) TRY_VOID(note(context, "reveal_events", topic));
  ev::SubscribeOptions options;
  options.topics = {topic};
  options.name = "tail-" + to_string(uuid_v4());
  options.type = ev::SubscriptionType::exclusive;
  options.durable = false;
  TRY(const auto subscription, events->subscribe(std::move(options), context.deadline));
  if (from) TRY_VOID(subscription->seek(*from, context.deadline));
  // What is known to lie there is waited for: a broker that is busy sends its first message late.
  const auto lag = subscription->lag(context.deadline.capped(std::chrono::seconds{5}));
  const std::uint64_t known = lag ? lag->messages : 1;
  std::vector<api::TailedEvent> found;
  while (found.size() < limit) {
    const Micros patience = found.size() < known ? Micros{std::chrono::seconds{5}} : std::chrono::milliseconds{50};
    TRY(const auto some, subscription->receive(limit - found.size(), context.deadline.capped(patience)));
    if (some.empty()) break;
    for (const ev::Received& one : some)
      found.push_back({one.delivery.id, one.published_at, one.message.key,
                       bodies == api::Bodies::masked ? ev::masked_body(one.message) : one.message.body});
  }
  TRY_VOID(subscription->close(context.deadline));
  return found;
}

Result<std::uint64_t> EventAdmin::replay(const dir::Context& context, const std::string& topic,
                                         const std::string& subscription, UtcTime from) {
  TRY_VOID(may(context, api::Bodies::masked));
  TRY(const auto events, bus(context.deadline));
  TRY_VOID(note(context, "replay_events", topic + " " + subscription + " " + to_rfc3339(from)));
  ev::SubscribeOptions options;
  options.topics = {topic};
  options.name = subscription;
  TRY(const auto made, events->subscribe(std::move(options), context.deadline));
  TRY_VOID(made->seek(from, context.deadline));
  TRY(const ev::Lag lag, made->lag(context.deadline));
  TRY_VOID(made->close(context.deadline));
  return lag.messages;
}

}  // namespace chaveiro::app
