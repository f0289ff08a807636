#include "directory/chronicle.h"

#include "directory/record_text.h"

namespace chaveiro::directory {

namespace {

const Uuid& id_of(const Account& account) { return account.id.uuid; }
const Uuid& id_of(const Entry& entry) { return entry.id.uuid; }
const Uuid& id_of(const Claim& claim) { return claim.id.uuid; }

const Person& person_in(const Account& account) { return account.holder; }
const Person& person_in(const Entry& entry) { return entry.account.holder; }
const Person& person_in(const Claim& claim) { return claim.claimer_account.holder; }

}  // namespace

Result<void> check_shape(const Change& change) {
  if (change.writes.empty() || change.writes.size() > writes_max)
    return fail(Code::internal, "Change", "a change has between one and eight writes");
  for (const Write& write : change.writes) {
    const bool fits =
        std::visit([](const auto& put) { return !put.before || id_of(*put.before) == id_of(put.after); }, write);
    if (!fits) return fail(Code::internal, "Change", "a write replaces something with another id");
  }
  return {};
}

void stamp(Change& change, std::uint64_t sequence) {
  for (Write& write : change.writes) std::visit([&](auto& put) { put.after.version = sequence; }, write);
}

std::string_view resource_type_of(const Write& write) {
  static constexpr std::string_view names[] = {"account", "entry", "claim"};
  return names[write.index()];
}

Uuid resource_of(const Write& write) {
  return std::visit([](const auto& put) { return id_of(put.after); }, write);
}

std::string_view tax_id_of(const Write& write) {
  return std::visit([](const auto& put) { return std::string_view(person_in(put.after).tax_id); }, write);
}

StoredRequest stored_request(const Change& change, std::uint64_t sequence) {
  StoredRequest stored{change.request->id, change.request->body_hash, change.operation,
                       resource_of(change.writes.front()), sequence};
  for (const Write& write : change.writes) {
    if (const auto* put = std::get_if<Put<Entry>>(&write); put && !put->before) {
      stored.resource = put->after.id.uuid;
      break;
    }
  }
  return stored;
}

Position audit_position(const AuditRecord& record) {
  Uuid::Bytes bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::uint8_t>(record.sequence >> (56 - 8 * i));
    bytes[8 + i] = static_cast<std::uint8_t>(record.number >> (56 - 8 * i));
  }
  return {record.at, Uuid(bytes)};
}

bool lets_through(const AuditFilter& filter, const AuditRecord& record) {
  return record.ispb == filter.ispb && (!filter.resource || record.resource == *filter.resource) &&
         (!filter.actor || record.actor == *filter.actor) &&
         (!filter.operation || record.operation == *filter.operation) && (!filter.from || record.at >= *filter.from) &&
         (!filter.until || record.at < *filter.until);
}

std::string purge_text(UtcTime before, std::uint64_t rows) {
  return "{\"before\":\"" + to_rfc3339(before) + "\",\"rows\":" + std::to_string(rows) + "}";
}

AuditRecord Chronicle::record(const Change& change, const Write& write, std::uint64_t sequence, const Digest& person,
                              const SealKey& key) {
  AuditRecord record;
  record.sequence = sequence;
  record.at = change.at;
  record.ispb = change.ispb;
  record.actor = change.actor.subject;
  record.correlation_id = change.actor.correlation_id;
  record.operation = change.operation;
  record.resource_type = resource_type_of(write);
  record.resource = resource_of(write);
  record.person = person;
  std::visit(
      [&](const auto& put) {
        if (put.before) record.before = seal(key, record_text(*put.before), seal_context(record, AuditSide::before));
        record.after = seal(key, record_text(put.after), seal_context(record, AuditSide::after));
      },
      write);
  chain(record);
  return record;
}

AuditRecord Chronicle::record(const Note& note, std::uint64_t sequence, const Digest& person) {
  AuditRecord record;
  record.sequence = sequence;
  record.at = note.at;
  record.ispb = note.ispb;
  record.actor = note.actor.subject;
  record.correlation_id = note.actor.correlation_id;
  record.operation = note.operation;
  record.resource_type = note.resource_type;
  record.person = person;
  record.after = note.text;
  chain(record);
  return record;
}

void Chronicle::chain(AuditRecord& record) {
  const Month month = month_of(record.at);
  if (month > head_.month) {
    head_.month = month;
    head_.number = 0;
  }
  record.writer = writer_;
  record.month = head_.month;
  record.number = ++head_.number;
  record.previous = head_.hash;
  record.hash = chain_hash(record);
  head_.hash = record.hash;
}

}  // namespace chaveiro::directory
