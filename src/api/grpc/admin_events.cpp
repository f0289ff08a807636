// The calls of the administration about events.
#include "api/grpc/admin_service.h"
#include "api/grpc/convert.h"
#include "events/topics.h"

namespace chaveiro::api::grpc {
namespace {

using Reactor = AdminService::Reactor;
using Context = AdminService::Context;

constexpr std::uint32_t rows_max = 1'000;
constexpr int ids_max = 100;
constexpr std::size_t name_max = 256;

Result<EventsPort*> port(Handling& it) {
  if (EventsPort* const events = it.services.admin->events()) return events;
  return fail(Code::unavailable, "EventsUnavailable",
              "this process has no event log now; another one on the same data has it");
}

std::size_t limit_of(Handling& it, std::uint32_t said) {
  if (said > rows_max) it.fields.refuse("limit", "must be at most 1000");
  return said == 0 ? 100 : said;
}

std::vector<std::string> ids_of(Handling& it, const google::protobuf::RepeatedPtrField<std::string>& ids) {
  if (ids.empty() || ids.size() > ids_max)
    it.fields.refuse("ids", "must be 1 to 100 ids as ListDeadLetters shows them");
  return {ids.begin(), ids.end()};
}

void put_letter(admin::DeadLetter& row, const events::LetterView& view) {
  const events::DeadLetter& letter = view.letter;
  row.set_id(view.id);
  row.set_event_id(std::string(events::header(letter.original.headers, events::headers::event_id)));
  row.set_event_type(std::string(events::header(letter.original.headers, events::headers::event_type)));
  row.set_aggregate_id(std::string(events::header(letter.original.headers, events::headers::aggregate_id)));
  row.set_topic(letter.topic);
  row.set_subscription(letter.subscription);
  row.set_reason(letter.reason);
  put(*row.mutable_at(), letter.at);
  for (const events::Attempt& attempt : letter.attempts) {
    auto& one = *row.add_attempts();
    put(*one.mutable_at(), attempt.at);
    one.set_code(attempt.code);
    one.set_reason(attempt.reason);
    one.set_message(attempt.message);
  }
}

Result<void> list_letters(Handling& it, const admin::ListDeadLettersRequest& in, admin::ListDeadLettersResponse& out) {
  const std::size_t limit = limit_of(it, in.limit());
  TRY_VOID(it.fields.verdict());
  TRY(EventsPort* const events, port(it));
  TRY(const auto letters, events->dead_letters(it.context(), in.subscription(), limit));
  for (const events::LetterView& letter : letters) put_letter(*out.add_dead_letters(), letter);
  return {};
}

Result<void> get_letter(Handling& it, const admin::GetDeadLetterRequest& in, admin::DeadLetter& out) {
  TRY(EventsPort* const events, port(it));
  TRY(const auto letter, events->dead_letter(it.context(), in.id(), in.reveal() ? Bodies::revealed : Bodies::masked));
  put_letter(out, letter);
  out.set_body(letter.letter.original.body);
  return {};
}

Result<void> replay_letters(Handling& it, const admin::ReplayDeadLettersRequest& in,
                            admin::ReplayDeadLettersResponse& out) {
  events::ReplayRequest request;
  request.ids = ids_of(it, in.ids());
  request.to = it.fields.may_text("to", in.to(), name_max).value_or("");
  request.dry_run = in.dry_run();
  TRY_VOID(it.fields.verdict());
  TRY(EventsPort* const events, port(it));
  TRY(const auto done, events->replay_dead_letters(it.context(), request));
  out.set_wanted(done.wanted);
  out.set_replayed(done.replayed);
  out.set_failed(done.failed);
  return {};
}

Result<void> discard_letters(Handling& it, const admin::DiscardDeadLettersRequest& in,
                             admin::DiscardDeadLettersResponse& out) {
  const auto ids = ids_of(it, in.ids());
  TRY_VOID(it.fields.verdict());
  TRY(EventsPort* const events, port(it));
  TRY(const std::uint64_t gone, events->discard_dead_letters(it.context(), ids));
  out.set_discarded(gone);
  return {};
}

Result<void> tail(Handling& it, const admin::TailEventsRequest& in, admin::TailEventsResponse& out) {
  const std::size_t limit = limit_of(it, in.limit());
  const auto topic = it.fields.may_text("topic", in.topic(), name_max);
  std::optional<UtcTime> from;
  if (in.has_from()) from = time_from(it.fields, "from", in.from());
  TRY_VOID(it.fields.verdict());
  TRY(EventsPort* const events, port(it));
  TRY(const auto tailed, events->tail(it.context(), topic.value_or(std::string(events::topics::key_events)), from,
                                      limit, in.reveal() ? Bodies::revealed : Bodies::masked));
  for (const TailedEvent& event : tailed) {
    auto& row = *out.add_events();
    row.set_id(events::to_string(event.id));
    put(*row.mutable_published_at(), event.published_at);
    row.set_key(event.key);
    row.set_body(event.body);
  }
  return {};
}

Result<void> replay(Handling& it, const admin::ReplayEventsRequest& in, admin::ReplayEventsResponse& out) {
  const auto topic = it.fields.text("topic", in.topic(), name_max);
  const auto subscription = it.fields.text("subscription", in.subscription(), name_max);
  const auto from = time_from(it.fields, "from", in.from());
  TRY_VOID(it.fields.verdict());
  TRY(EventsPort* const events, port(it));
  TRY(const std::uint64_t messages, events->replay(it.context(), *topic, *subscription, *from));
  out.set_messages(messages);
  return {};
}

}  // namespace

Reactor* AdminService::ListDeadLetters(Context* context, const admin::ListDeadLettersRequest* in,
                                       admin::ListDeadLettersResponse* out) {
  return answer_on_pool(services_, context, {"ListDeadLetters"}, in, out, list_letters);
}
Reactor* AdminService::GetDeadLetter(Context* context, const admin::GetDeadLetterRequest* in, admin::DeadLetter* out) {
  return answer_on_pool(services_, context, {"GetDeadLetter"}, in, out, get_letter);
}
Reactor* AdminService::ReplayDeadLetters(Context* context, const admin::ReplayDeadLettersRequest* in,
                                         admin::ReplayDeadLettersResponse* out) {
  return answer_on_pool(services_, context, {"ReplayDeadLetters"}, in, out, replay_letters);
}
Reactor* AdminService::DiscardDeadLetters(Context* context, const admin::DiscardDeadLettersRequest* in,
                                          admin::DiscardDeadLettersResponse* out) {
  return answer_on_pool(services_, context, {"DiscardDeadLetters"}, in, out, discard_letters);
}
Reactor* AdminService::TailEvents(Context* context, const admin::TailEventsRequest* in,
                                  admin::TailEventsResponse* out) {
  return answer_on_pool(services_, context, {"TailEvents"}, in, out, tail);
}
Reactor* AdminService::ReplayEvents(Context* context, const admin::ReplayEventsRequest* in,
                                    admin::ReplayEventsResponse* out) {
  return answer_on_pool(services_, context, {"ReplayEvents"}, in, out, replay);
}

}  // namespace chaveiro::api::grpc
