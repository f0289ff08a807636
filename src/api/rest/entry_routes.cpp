#include "api/rest/encode.h"
#include "api/rest/route.h"
#include "api/rest/schemas.h"

namespace chaveiro::api::rest {
namespace {

using directory::Permission;
using net::Method;

Result<Answer> create(Exchange& exchange) {
  directory::CreateEntry request;
  Input& in = exchange.in;
  const auto type = in.read("key_type", &Fields::key_type);
  const auto text = in.text("key");
  // An EVP is made by the directory; whether one may be given is said there.
  if (text && type == directory::KeyType::evp) {
    request.key = std::string(*text);
  } else if (text) {
    if (const auto key = in.key("key", type)) request.key = key->value();
  } else if (type && type != directory::KeyType::evp && in.ok()) {
    in.fields().refuse("key", "is missing");
  }
  const auto account = in.read("account_id", &Fields::account_id);
  request.reason = in.read("reason", &Fields::may_reason).value_or(directory::Reason::user_requested);
  request.request_id = request_id_of(exchange, "CreateKey");
  TRY_VOID(in.verdict());
  request.key_type = *type;
  request.account = *account;
  const auto work = [&]() -> Result<std::string> {
    TRY(const auto entry, exchange.services.directory.entries.create(exchange.context(), request));
    return encode(entry);
  };
  TRY(std::string body,
      answer_once(exchange.services.first_answers, exchange.context(), "rest.CreateKey", request.request_id,
                  {to_string(request.key_type), request.key.value_or(""), to_string(request.account),
                   to_string(request.reason)},
                  work));
  return Answer{std::move(body)};
}

Result<Answer> get(Exchange& exchange) {
  const auto id = exchange.in.read("id", &Fields::entry_id);
  TRY_VOID(exchange.in.verdict());
  TRY(const auto entry, exchange.services.directory.entries.get(exchange.context(), *id));
  return Answer{encode(entry)};
}

Result<Answer> get_by_key(Exchange& exchange) {
  Input& in = exchange.in;
  const auto key = in.key("key", in.read("key_type", &Fields::key_type));
  TRY_VOID(in.verdict());
  TRY(const auto entry, exchange.services.directory.entries.get(exchange.context(), *key));
  return Answer{encode(entry)};
}

Result<Answer> list(Exchange& exchange) {
  Input& in = exchange.in;
  directory::EntryFilter filter{.ispb = exchange.context().caller.ispb};
  if (const auto account = in.read("account_id", &Fields::may_account_id)) filter.accounts.emplace({*account});
  filter.key_type = in.read("key_type", &Fields::may_key_type);
  filter.status = in.read("status", &Fields::may_entry_status);
  TRY_VOID(in.verdict());
  const PageScope scope = page_scope(filter);
  TRY(const auto page, page_of(exchange, scope));
  TRY(const auto entries, exchange.services.directory.entries.list(exchange.context(), filter, page));
  return Answer{encode_page("entries", entries, exchange.services.page_tokens.next(scope, entries))};
}

Result<Answer> update(Exchange& exchange) {
  Input& in = exchange.in;
  directory::UpdateEntry request;
  const auto id = in.read("id", &Fields::entry_id);
  request.account = in.read("account_id", &Fields::may_account_id);
  if (in.text("owner.name")) request.name = in.limited_text("owner.name", 150);
  if (in.text("owner.trade_name")) request.trade_name = in.limited_text("owner.trade_name", 100);
  if (in.is_null("owner.trade_name")) request.trade_name = "";
  request.reason = in.read("reason", &Fields::may_reason).value_or(directory::Reason::user_requested);
  if (in.ok() && !request.account && !request.name && !request.trade_name)
    in.fields().refuse("body", "says nothing to change: give account_id or owner");
  TRY_VOID(in.verdict());
  request.id = *id;
  auto entry = exchange.services.directory.entries.update(exchange.context(), request);
  if (!entry)
    for (FieldViolation& fault : entry.error().violations)
      if (fault.field == "account") fault.field = "account_id";
  if (!entry) return std::move(entry).error();
  return Answer{encode(*entry)};
}

Result<Answer> remove(Exchange& exchange) {
  Input& in = exchange.in;
  const auto id = in.read("id", &Fields::entry_id);
  const auto reason = in.read("reason", &Fields::may_reason).value_or(directory::Reason::user_requested);
  TRY_VOID(in.verdict());
  TRY(const auto entry, exchange.services.directory.entries.remove(exchange.context(), *id, reason));
  return Answer{encode(entry)};
}

using Order = Result<directory::Entry> (directory::Entries::*)(const directory::Context&, const directory::EntryId&,
                                                               std::string_view);

Result<Answer> carry_out(Exchange& exchange, Order order) {
  Input& in = exchange.in;
  const auto id = in.read("id", &Fields::entry_id);
  const auto text = in.limited_text("order", 100);
  TRY_VOID(in.verdict());
  TRY(const auto entry, (exchange.services.directory.entries.*order)(exchange.context(), *id, *text));
  return Answer{encode(entry)};
}
Result<Answer> block(Exchange& exchange) { return carry_out(exchange, &directory::Entries::block); }
Result<Answer> unblock(Exchange& exchange) { return carry_out(exchange, &directory::Entries::unblock); }

Result<Answer> start_portability(Exchange& exchange) {
  Input& in = exchange.in;
  const auto id = in.read("id", &Fields::entry_id);
  const auto account = in.read("new_account_id", &Fields::account_id);
  TRY_VOID(in.verdict());
  TRY(const auto started, exchange.services.portabilities.start(exchange.context(), *id, *account));
  return Answer{encode(started)};
}

Result<Answer> confirm_portability(Exchange& exchange) {
  TRY_VOID(exchange.in.verdict());
  TRY(const auto confirmed,
      exchange.services.portabilities.confirm(exchange.context(), *exchange.in.text("portability_id")));
  return Answer{encode(confirmed)};
}

Result<Answer> cancel_portability(Exchange& exchange) {
  TRY_VOID(exchange.in.verdict());
  TRY(const auto cancelled,
      exchange.services.portabilities.cancel(exchange.context(), *exchange.in.text("portability_id")));
  return Answer{encode(cancelled)};
}

}  // namespace

std::vector<Route> entry_routes() {
  const Parameter id = id_parameter();
  return {
      {Method::post,
       "/api/v1/entries",
       {"CreateKey", "Entries", "Register a key",
        "The account must exist. Repeat-safe with a RequestId or an `Idempotency-Key`."},
       Permission::write_entries,
       {idempotency_key()},
       &create_entry_schema(),
       &entry_schema(),
       201,
       {"EntryInvalid", "EntryLimitExceeded", "EntryAlreadyExists", "EntryKeyInCustodyOfDifferentParticipant",
        "EntryKeyOwnedByDifferentPerson", "EntryTaxIdNumberByDifferentOwner", "EntryLockedByClaim",
        "RequestIdAlreadyUsed", "InvalidReason", "AccountNotFound"},
       {.handle = create}},
      {Method::get,
       "/api/v1/entries",
       {"ListKeys", "Entries", "List keys, oldest first", ""},
       Permission::read_entries,
       with_page({{.name = "account_id", .schema = &id_value()},
                  {.name = "key_type", .schema = &key_type_value()},
                  {.name = "status",
                   .schema = &entry_status_value(),
                   .description = "Every entry that is not deleted where absent"}}),
       nullptr,
       &entry_list_schema(),
       200,
       {"PageTokenInvalid", "PageTokenExpired"},
       {.handle = list}},
      {Method::post,
       "/api/v1/entries/by-key",
       {"GetKeyByValue", "Entries", "Read an entry of ours by its key",
        "A POST, because no personal key may stand in a URL.", "GetKey"},
       Permission::read_entries,
       {},
       &key_query_schema(),
       &entry_schema(),
       200,
       {"EntryInvalid", "NotFound"},
       {.handle = get_by_key}},
      {Method::get,
       "/api/v1/entries/{id}",
       {"GetKey", "Entries", "Read an entry", ""},
       Permission::read_entries,
       {id},
       nullptr,
       &entry_schema(),
       200,
       {"NotFound"},
       {.handle = get}},
      {Method::patch,
       "/api/v1/entries/{id}",
       {"UpdateKey", "Entries", "Change the account or the names of the owner", "What is absent stays."},
       Permission::write_entries,
       {id},
       &update_entry_schema(),
       &entry_schema(),
       200,
       {"EntryInvalid", "InvalidReason", "EntryBlocked", "NotFound", "AccountNotFound"},
       {.handle = update}},
      {Method::post,
       "/api/v1/entries/{id}/delete",
       {"DeleteKey", "Entries", "Delete a key", "Final: the same key registered again is a new entry."},
       Permission::write_entries,
       {id},
       &delete_entry_schema(),
       &entry_schema(),
       200,
       {"InvalidReason", "EntryLockedByClaim", "EntryBlocked", "NotFound"},
       {.handle = remove}},
      {Method::post,
       "/api/v1/entries/{id}/block",
       {"BlockKey", "Entries", "Block by court order",
        "Repeat-safe. A blocked key can be neither looked up nor changed."},
       Permission::block_entries,
       {id},
       &court_order_schema(),
       &entry_schema(),
       200,
       {"NotFound"},
       {.handle = block}},
      {Method::post,
       "/api/v1/entries/{id}/unblock",
       {"UnblockKey", "Entries", "Lift a court order", "Repeat-safe."},
       Permission::block_entries,
       {id},
       &court_order_schema(),
       &entry_schema(),
       200,
       {"NotFound"},
       {.handle = unblock}},
      {Method::post,
       "/api/v1/entries/{id}/portability",
       {"StartPortability", "Entries", "Move a key to another account, first step",
        "Inside one participant and for the same owner. Nothing changes before it is confirmed, within 168 hours."},
       Permission::write_entries,
       {id},
       &start_portability_schema(),
       &portability_schema(),
       200,
       {"NotFound", "AccountNotFound", "PortabilityInvalid", "EntryLockedByClaim", "EntryBlocked"},
       {.handle = start_portability}},
      {Method::post,
       "/api/v1/portabilities/confirm",
       {"ConfirmPortability", "Entries", "Move a key to another account, second step", "Repeat-safe."},
       Permission::write_entries,
       {},
       &portability_step_schema(),
       &portability_schema(),
       200,
       {"PortabilityStale"},
       {.handle = confirm_portability}},
      {Method::post,
       "/api/v1/portabilities/cancel",
       {"CancelPortability", "Entries", "Leave a key where it is", "Repeat-safe."},
       Permission::write_entries,
       {},
       &portability_step_schema(),
       &portability_schema(),
       200,
       {"PortabilityStale"},
       {.handle = cancel_portability}},
  };
}

}  // namespace chaveiro::api::rest
