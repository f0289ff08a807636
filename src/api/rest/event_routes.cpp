// Dead letters and the events of a topic, for operators.
#include <map>

#include "api/rest/route.h"
#include "api/rest/schemas.h"
#include "events/topics.h"

namespace chaveiro::api::rest {
namespace {

using directory::Permission;
using net::Method;

constexpr std::size_t rows_default = 100;

Result<EventsPort*> port(Exchange& exchange) {
  EventsPort* const events = exchange.services.admin ? exchange.services.admin->events() : nullptr;
  if (events) return events;
  return fail(Code::unavailable, "EventsUnavailable", "this process has no event log now");
}

std::size_t limit_of(Exchange& exchange) {
  const auto said = exchange.in.integer("limit");
  return said ? static_cast<std::size_t>(*said) : rows_default;
}

Bodies bodies_of(Exchange& exchange) {
  return exchange.in.text("reveal").value_or("false") == "true" ? Bodies::revealed : Bodies::masked;
}

std::vector<std::string> ids_of(Exchange& exchange) {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < exchange.in.items("ids"); ++i)
    if (const auto id = exchange.in.text(item_path("ids", i))) ids.emplace_back(*id);
  return ids;
}

void put_letter(JsonWriter& out, const events::LetterView& view) {
  const events::DeadLetter& letter = view.letter;
  const auto head = [&](std::string_view name) { return events::header(letter.original.headers, name); };
  out.begin_object().field("id", view.id).field("event_id", head(events::headers::event_id));
  out.field("event_type", head(events::headers::event_type)).field("aggregate_id", head(events::headers::aggregate_id));
  out.field("topic", letter.topic).field("subscription", letter.subscription).field("reason", letter.reason);
  out.field("date", to_rfc3339(letter.at)).name("attempts").begin_list();
  for (const events::Attempt& attempt : letter.attempts) {
    out.begin_object().field("date", to_rfc3339(attempt.at)).field("code", attempt.code);
    out.field("reason", attempt.reason).field("message", attempt.message).end_object();
  }
  out.end_list();
}

Result<Answer> list(Exchange& exchange) {
  const std::string subscription(exchange.in.text("subscription").value_or(""));
  const std::size_t limit = limit_of(exchange);
  TRY_VOID(exchange.in.verdict());
  TRY(EventsPort* const events, port(exchange));
  TRY(const auto letters, events->dead_letters(exchange.context(), subscription, limit));
  JsonWriter out;
  out.begin_object().name("dead_letters").begin_list();
  for (const events::LetterView& letter : letters) {
    put_letter(out, letter);
    out.end_object();
  }
  out.end_list().end_object();
  return Answer{out.take()};
}

Result<Answer> show(Exchange& exchange) {
  const std::string id(exchange.in.text("id").value_or(""));
  const Bodies bodies = bodies_of(exchange);
  TRY_VOID(exchange.in.verdict());
  TRY(EventsPort* const events, port(exchange));
  TRY(const auto letter, events->dead_letter(exchange.context(), id, bodies));
  JsonWriter out;
  put_letter(out, letter);
  out.field("body", letter.letter.original.body).end_object();
  return Answer{out.take()};
}

Result<Answer> replay(Exchange& exchange) {
  events::ReplayRequest request;
  request.ids = ids_of(exchange);
  request.to = exchange.in.text("to").value_or("");
  request.dry_run = exchange.in.text("dry_run").value_or("false") == "true";
  if (const auto rate = exchange.in.integer("rate")) request.rate_max = static_cast<std::uint32_t>(*rate);
  TRY_VOID(exchange.in.verdict());
  TRY(EventsPort* const events, port(exchange));
  TRY(const auto done, events->replay_dead_letters(exchange.context(), request));
  JsonWriter out;
  out.begin_object().name("wanted").unsigned_integer(done.wanted).name("replayed").unsigned_integer(done.replayed);
  out.name("failed").unsigned_integer(done.failed).end_object();
  return Answer{out.take()};
}

Result<Answer> discard(Exchange& exchange) {
  const auto ids = ids_of(exchange);
  TRY_VOID(exchange.in.verdict());
  TRY(EventsPort* const events, port(exchange));
  TRY(const std::uint64_t gone, events->discard_dead_letters(exchange.context(), ids));
  JsonWriter out;
  out.begin_object().name("discarded").unsigned_integer(gone).end_object();
  return Answer{out.take()};
}

Result<Answer> tail(Exchange& exchange) {
  const std::string topic(exchange.in.text("topic").value_or(events::topics::key_events));
  const auto from = exchange.in.read("from", &Fields::may_time);
  const std::size_t limit = limit_of(exchange);
  const Bodies bodies = bodies_of(exchange);
  TRY_VOID(exchange.in.verdict());
  TRY(EventsPort* const events, port(exchange));
  TRY(const auto found, events->tail(exchange.context(), topic, from, limit, bodies));
  JsonWriter out;
  out.begin_object().name("events").begin_list();
  for (const TailedEvent& event : found) {
    out.begin_object().field("id", events::to_string(event.id)).field("published_at", to_rfc3339(event.published_at));
    out.field("key", event.key).field("body", event.body).end_object();
  }
  out.end_list().end_object();
  return Answer{out.take()};
}

const Schema& name_of(std::string_view description, std::string_view example) {
  static std::map<std::string_view, Schema> made;
  auto& schema = made[description];
  schema = text_value(description, example, 256);
  return schema;
}

const Schema& text() {
  static const Schema schema{.example = "\"KeyCreatedResponse\""};
  return schema;
}
const Schema& number() {
  static const Schema schema{.shape = Shape::integer, .example = "1", .minimum = 0};
  return schema;
}
const Schema& letters_a_second() {
  static const Schema schema{.shape = Shape::integer,
                             .description = "At most so many a second; 100 where left out",
                             .example = "10",
                             .minimum = 1,
                             .maximum = 10'000};
  return schema;
}
const Schema& yes_or_no() {
  static const Schema schema{.example = "\"false\"", .values = {"true", "false"}};
  return schema;
}
const Schema& letter_id() { return name_of("As the list shows it", "\"0:0:12:-1\""); }

const std::vector<Property>& letter_properties() {
  static const Schema attempt = object("DeadLetterAttempt", {must("date", moment_value()), must("code", text()),
                                                             must("reason", text()), must("message", text())});
  static const Schema attempts = list_of(attempt);
  static const std::vector<Property> all = {
      must("id", letter_id()),      must("event_id", text()),     must("event_type", text()),
      must("aggregate_id", text()), must("topic", text()),        must("subscription", text()),
      must("reason", text()),       must("date", moment_value()), must("attempts", attempts, "Oldest first")};
  return all;
}

const Schema& letters_schema() {
  static const Schema letter = object("DeadLetter", letter_properties());
  static const Schema letters = list_of(letter);
  static const Schema schema = object("DeadLetters", {must("dead_letters", letters, "Oldest first")});
  return schema;
}
const Schema& letter_schema() {
  static const Schema schema = [] {
    std::vector<Property> all = letter_properties();
    all.push_back(must("body", text(), "Personal data masked, unless revealed"));
    return object("DeadLetterWithBody", all);
  }();
  return schema;
}
const Schema& ids_schema() {
  static const Schema ids{.shape = Shape::list, .items = &letter_id(), .items_min = 1, .items_max = 100};
  return ids;
}
const Schema& replay_schema() {
  static const Schema schema =
      object("ReplayDeadLetters",
             {must("ids", ids_schema()),
              may("to", name_of("Another topic than where they came from", "\"persistent://dict/events/key-events\"")),
              may("rate", letters_a_second()), may("dry_run", yes_or_no())});
  return schema;
}
const Schema& replayed_schema() {
  static const Schema schema =
      object("ReplayedDeadLetters", {must("wanted", number()), must("replayed", number()), must("failed", number())});
  return schema;
}
const Schema& discard_schema() {
  static const Schema schema = object("DiscardDeadLetters", {must("ids", ids_schema())});
  return schema;
}
const Schema& discarded_schema() {
  static const Schema schema = object("DiscardedDeadLetters", {must("discarded", number())});
  return schema;
}
const Schema& events_schema() {
  static const Schema event = object("TailedEvent", {must("id", letter_id()), must("published_at", moment_value()),
                                                     must("key", text()), must("body", text())});
  static const Schema events = list_of(event);
  static const Schema schema = object("TailedEvents", {must("events", events)});
  return schema;
}

}  // namespace

std::vector<Route> event_routes() {
  static const Schema limit{
      .shape = Shape::integer, .description = "At most so many", .example = "100", .minimum = 1, .maximum = 1'000};
  static const Parameter limit_parameter{.name = "limit", .schema = &limit};
  static const Parameter reveal{
      .name = "reveal", .schema = &yes_or_no(), .description = "Personal data unmasked: role admin, audited"};
  static const Parameter id{.place = Place::path, .name = "id", .schema = &letter_id(), .presence = Presence::required};
  return {
      {Method::get,
       "/api/v1/admin/dead-letters",
       {"ListDeadLetters", "Administration", "Events that a consumer gave up, oldest first", "Role operator."},
       Permission::write_accounts,
       {{.name = "subscription", .schema = &name_of("Only what this one gave up", "\"dict-core-responses\"")},
        limit_parameter},
       nullptr,
       &letters_schema(),
       200,
       {},
       {.handle = list}},
      {Method::get,
       "/api/v1/admin/dead-letters/{id}",
       {"GetDeadLetter", "Administration", "One of them with its attempts and its body", "Role operator."},
       Permission::write_accounts,
       {id, reveal},
       nullptr,
       &letter_schema(),
       200,
       {},
       {.handle = show}},
      {Method::post,
       "/api/v1/admin/dead-letters/replay",
       {"ReplayDeadLetters", "Administration", "Try them again where they came from",
        "Role operator; audited. Their keys go on."},
       Permission::write_accounts,
       {},
       &replay_schema(),
       &replayed_schema(),
       200,
       {},
       {.handle = replay}},
      {Method::post,
       "/api/v1/admin/dead-letters/discard",
       {"DiscardDeadLetters", "Administration", "Never apply them", "Role operator; audited. Their keys go on."},
       Permission::write_accounts,
       {},
       &discard_schema(),
       &discarded_schema(),
       200,
       {},
       {.handle = discard}},
      {Method::get,
       "/api/v1/admin/events",
       {"TailEvents", "Administration", "Events of a topic, oldest first", "Role operator."},
       Permission::write_accounts,
       {{.name = "topic", .schema = &name_of("Key events where left out", "\"persistent://dict/events/claim-events\"")},
        {.name = "from", .schema = &moment_value(), .description = "Inclusive"},
        limit_parameter,
        reveal},
       nullptr,
       &events_schema(),
       200,
       {},
       {.handle = tail}},
  };
}

}  // namespace chaveiro::api::rest
