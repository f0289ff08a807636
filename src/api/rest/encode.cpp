#include "api/rest/encode.h"

#include "base/encoding.h"

namespace chaveiro::api::rest {
namespace {

using directory::to_string;

template <class T>
void may(JsonWriter& out, std::string_view name, const std::optional<T>& value) {
  out.name(name);
  if (!value) {
    out.null();
  } else if constexpr (std::is_same_v<T, UtcTime>) {
    out.text(to_rfc3339(*value));
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    out.text(*value);
  } else {
    out.text(to_string(*value));
  }
}

void time(JsonWriter& out, std::string_view name, UtcTime value) { out.field(name, to_rfc3339(value)); }

void owner(JsonWriter& out, std::string_view name, const directory::Person& person) {
  out.name(name).begin_object();
  out.field("type", to_string(person.type)).field("tax_id", person.tax_id).field("name", person.name);
  may(out, "trade_name", person.trade_name);
  out.end_object();
}

void account_members(JsonWriter& out, const directory::Account& account) {
  out.field("id", to_string(account.id)).field("ispb", account.ispb.view());
  may(out, "branch", account.branch);
  out.field("number", account.number).field("type", to_string(account.type));
  time(out, "opening_date", account.opened_at);
}

void account_of(JsonWriter& out, std::string_view name, const directory::Account& account) {
  out.name(name).begin_object();
  account_members(out, account);
  out.end_object();
}

void key(JsonWriter& out, const directory::Key& key) {
  out.field("key_type", to_string(key.type())).field("key", key.value());
}

std::string_view state_text(ComponentState state) {
  switch (state) {
    case ComponentState::ok:
      return "ok";
    case ComponentState::degraded:
      return "degraded";
    case ComponentState::down:
      return "down";
  }
  return "down";
}

}  // namespace

void write(JsonWriter& out, const directory::Entry& entry) {
  out.begin_object().field("id", to_string(entry.id));
  key(out, entry.key);
  account_of(out, "account", entry.account);
  owner(out, "owner", entry.owner());
  out.field("status", to_string(entry.status));
  time(out, "creation_date", entry.created_at);
  time(out, "key_ownership_date", entry.owned_since);
  time(out, "last_modified", entry.updated_at);
  out.field("request_id", to_string(entry.request_id));
  out.name("open_claim");
  if (entry.open_claim) {
    out.begin_object().field("id", to_string(entry.open_claim->id));
    out.field("type", entry.open_claim->portability ? "PORTABILITY" : "OWNERSHIP");
    time(out, "creation_date", entry.open_claim->created_at);
    out.end_object();
  } else {
    out.null();
  }
  may(out, "deletion_date", entry.deleted_at);
  may(out, "delete_reason", entry.delete_reason);
  out.end_object();
}

void write(JsonWriter& out, const directory::Account& account) {
  out.begin_object();
  account_members(out, account);
  owner(out, "owner", account.holder);
  out.field("status", to_string(account.status));
  time(out, "creation_date", account.created_at);
  time(out, "last_modified", account.updated_at);
  out.end_object();
}

void write(JsonWriter& out, const directory::Claim& claim) {
  out.begin_object().field("id", to_string(claim.id));
  may(out, "registry_id", claim.registry_id);
  out.field("type", to_string(claim.type));
  key(out, claim.key);
  out.field("donor_entry_id", to_string(claim.donor_entry));
  out.field("donor", claim.donor.view()).field("claimer", claim.claimer().view());
  account_of(out, "claimer_account", claim.claimer_account);
  owner(out, "claimer_owner", claim.claimer_account.holder);
  out.field("status", to_string(claim.status));
  time(out, "creation_date", claim.created_at);
  time(out, "resolution_period_end", claim.resolution_end);
  may(out, "completion_period_end", claim.completion_end);
  time(out, "claimer_deadline", claim.claimer_deadline);
  time(out, "last_modified", claim.updated_at);
  may(out, "confirm_reason", claim.confirm_reason);
  may(out, "cancel_reason", claim.cancel_reason);
  may(out, "cancelled_by", claim.cancelled_by);
  may(out, "end_date", claim.ended_at);
  may(out, "completed_entry_id", claim.completed_entry);
  out.end_object();
}

void write(JsonWriter& out, const directory::AuditView& view) {
  const directory::AuditRecord& record = view.record;
  out.begin_object().name("sequence").unsigned_integer(record.sequence);
  time(out, "date", record.at);
  out.field("ispb", record.ispb.view()).field("actor", record.actor).field("correlation_id", record.correlation_id);
  out.field("operation", record.operation).field("resource_type", record.resource_type);
  out.field("resource_id", chaveiro::to_string(record.resource)).field("writer", record.writer);
  out.name("month").unsigned_integer(record.month).name("number").unsigned_integer(record.number);
  out.field("hash", to_hex(record.hash)).field("previous_hash", to_hex(record.previous));
  out.field("content", to_string(view.content));
  may(out, "before", view.before);
  may(out, "after", view.after);
  out.end_object();
}

void write(JsonWriter& out, const directory::LookupAnswer& answer) {
  const directory::Entry& entry = *answer.entry;
  out.begin_object();
  key(out, entry.key);
  out.field("ispb", entry.ispb().view());
  owner(out, "owner", entry.owner());
  out.name("masked").boolean(answer.masked).field("source", to_string(answer.source));
  // What people may see is the key, the participant, the names and the masked tax id, and nothing else.
  if (answer.masked) {
    for (const char* hidden : {"account", "creation_date", "key_ownership_date", "open_claim_creation_date"})
      out.name(hidden).null();
  } else {
    account_of(out, "account", entry.account);
    time(out, "creation_date", entry.created_at);
    time(out, "key_ownership_date", entry.owned_since);
    may(out, "open_claim_creation_date", entry.open_claim ? std::optional(entry.open_claim->created_at) : std::nullopt);
  }
  out.end_object();
}

void write(JsonWriter& out, const Portability& portability) {
  out.begin_object().field("id", portability.id);
  write(out.name("entry"), portability.entry);
  out.field("new_account_id", to_string(portability.new_account.id));
  time(out, "date", portability.at);
  out.end_object();
}

void write(JsonWriter& out, const directory::AccountVerification& verification) {
  out.begin_object().name("exists").boolean(verification.exists).name("open").boolean(verification.open);
  out.name("holder_matches").boolean(verification.holder_matches).end_object();
}

void write(JsonWriter& out, const directory::Statistics& statistics) {
  out.begin_object().name("entries").begin_list();
  for (const auto& row : statistics.entries) {
    out.begin_object().field("key_type", to_string(row.key_type)).field("status", to_string(row.status));
    out.name("count").unsigned_integer(row.count).end_object();
  }
  out.end_list().name("claims").begin_list();
  for (const auto& row : statistics.claims) {
    out.begin_object().field("type", to_string(row.type)).field("status", to_string(row.status));
    out.name("count").unsigned_integer(row.count).end_object();
  }
  out.end_list().name("accounts").unsigned_integer(statistics.accounts);
  out.name("audit_records").unsigned_integer(statistics.audit_records).end_object();
}

void write(JsonWriter& out, const Health& health) {
  auto worst = health.ready ? ComponentState::ok : ComponentState::down;
  for (const Component& component : health.components)
    if (worst == ComponentState::ok && component.state != ComponentState::ok) worst = ComponentState::degraded;
  out.begin_object().field("status", state_text(worst)).name("ready").boolean(health.ready);
  out.name("components").begin_list();
  for (const Component& component : health.components) {
    out.begin_object().field("name", component.name).field("state", state_text(component.state));
    out.field("message", component.message).end_object();
  }
  out.end_list().end_object();
}

}  // namespace chaveiro::api::rest
