#include "clients/sqlite/group.h"

#include "clients/sqlite/events.h"
#include "clients/sqlite/rows.h"
#include "directory/happened.h"

namespace chaveiro::clients::sqlite {

using namespace directory;

namespace {

constexpr std::size_t seal_keys_max = 4096;

std::string insert_into(std::string_view table, std::string_view columns) {
  return "INSERT INTO " + std::string(table) + " (" + std::string(columns) + ") VALUES (" + placeholders(columns) + ")";
}
// The version that must still be there is the parameter behind all columns; the id, which does not change, is set too.
std::string update_of(std::string_view table, std::string_view columns) {
  return "UPDATE " + std::string(table) + " SET " + assignments(columns) + " WHERE id = ? AND version = ?";
}

}  // namespace

Group::Group(Connection& connection, const Secret& installation_key, std::string writer)
    : connection_(connection),
      installation_key_(installation_key),
      writer_(writer),
      chronicle_(std::move(writer), {}) {}

Result<std::unique_ptr<Group>> Group::make(Connection& connection, const Secret& installation_key, std::string writer,
                                           Events events) {
  std::unique_ptr<Group> group(new Group(connection, installation_key, std::move(writer)));
  group->events_ = events;
  TRY_VOID(group->prepare());
  return group;
}

Result<void> Group::prepare() {
  const std::pair<Statement**, std::string> all[] = {
      {&sql_.begin, "BEGIN IMMEDIATE"},
      {&sql_.commit, "COMMIT"},
      {&sql_.rollback, "ROLLBACK"},
      {&sql_.savepoint, "SAVEPOINT change"},
      {&sql_.release, "RELEASE change"},
      {&sql_.take_back, "ROLLBACK TO change"},
      {&sql_.data_version, "PRAGMA data_version"},
      {&sql_.get_sequence, "SELECT value FROM meta WHERE name = 'sequence'"},
      {&sql_.set_sequence, "UPDATE meta SET value = ? WHERE name = 'sequence'"},
      {&sql_.get_writer, "SELECT id, month, number, hash FROM writers WHERE name = ?"},
      {&sql_.add_writer, "INSERT INTO writers (name, month, number, hash) VALUES (?, ?, ?, ?)"},
      {&sql_.set_writer, "UPDATE writers SET month = ?, number = ?, hash = ? WHERE id = ?"},
      {&sql_.insert_account, insert_into("accounts", account_columns)},
      {&sql_.update_account, update_of("accounts", account_columns)},
      {&sql_.insert_entry, insert_into("entries", entry_columns)},
      {&sql_.update_entry, update_of("entries", entry_columns)},
      {&sql_.insert_claim, insert_into("claims", claim_columns)},
      {&sql_.update_claim, update_of("claims", claim_columns)},
      {&sql_.account_is_open, "SELECT 1 FROM accounts WHERE id = ? AND status = 1"},
      {&sql_.account_has_entries, "SELECT 1 FROM entries WHERE account_id = ? AND status <> 4 LIMIT 1"},
      {&sql_.insert_request, insert_into("requests", "ispb, id, body_hash, operation, resource, sequence")},
      {&sql_.insert_audit, insert_into("audit",
                                       "position, writer, month, number, at, ispb, actor, correlation_id, "
                                       "operation, resource_type, resource, person, before, after, previous, "
                                       "hash")},
      {&sql_.insert_seal_key, "INSERT INTO seal_keys (person, key) VALUES (?, ?) ON CONFLICT DO NOTHING"},
      {&sql_.mark_version, std::string(mark_version_sql)},
      {&sql_.mark_id, std::string(mark_id_sql)},
      {&sql_.insert_event, insert_into("outbox", "position, topic, key, body, headers, at")},
      {&sql_.get_seal_key, "SELECT key FROM seal_keys WHERE person = ?"},
  };
  for (const auto& [statement, text] : all) {
    TRY(Statement* const made, connection_.prepare(text));
    *statement = made;
  }
  return {};
}

Result<void> Group::begin() {
  TRY_VOID(sql_.begin->run());
  TRY(const bool row, sql_.data_version->step());
  const std::int64_t data_version = row ? sql_.data_version->number() : 0;
  sql_.data_version->reset();
  if (data_version != data_version_) forget_seal_keys();
  data_version_ = data_version;
  return read_head();
}

Result<void> Group::read_head() {
  TRY(const bool there, sql_.get_sequence->step());
  sequence_ = there ? static_cast<std::uint64_t>(sql_.get_sequence->number()) : 0;
  sql_.get_sequence->reset();
  TRY(const bool known, sql_.get_writer->add(writer_).step());
  Chronicle::Head head;
  if (known) {
    writer_id_ = sql_.get_writer->number();
    head.month = static_cast<Month>(sql_.get_writer->number());
    head.number = static_cast<std::uint64_t>(sql_.get_writer->number());
    head.hash = bytes_of<32>(*sql_.get_writer);
    sql_.get_writer->reset();
  } else {
    TRY_VOID(sql_.add_writer->add(writer_).add(std::int64_t{0}).add(std::int64_t{0}).add(ByteView(head.hash)).run());
    TRY(const std::int64_t made, connection_.number("SELECT last_insert_rowid()"));
    writer_id_ = made;
  }
  chronicle_ = Chronicle(writer_, head);
  return {};
}

Result<void> Group::commit() {
  const Chronicle::Head& head = chronicle_.head();
  TRY_VOID(sql_.set_sequence->add(sequence_).run());
  TRY_VOID(
      sql_.set_writer->add(std::int64_t{head.month}).add(head.number).add(ByteView(head.hash)).add(writer_id_).run());
  TRY_VOID(sql_.commit->run());
  return {};
}

void Group::rollback() {
  forget_seal_keys();
  if (connection_.in_transaction()) static_cast<void>(sql_.rollback->run());
}

Result<Group::Outcome> Group::apply(Change& change, Care care) {
  const std::uint64_t sequence = sequence_;
  if (care == Care::savepoints) TRY_VOID(sql_.savepoint->run());
  TRY(Outcome outcome, write(change));
  if (outcome != Outcome::applied) sequence_ = sequence;
  if (care == Care::savepoints) {
    if (outcome == Outcome::torn) {
      TRY_VOID(sql_.take_back->run());
      forget_seal_keys();
      outcome = Outcome::stale;
    }
    TRY_VOID(sql_.release->run());
  }
  return outcome;
}

// What fails most often comes first, so that it costs nobody else anything. Records come last: a change that fails has
// not touched the chain.
Result<Group::Outcome> Group::write(Change& change) {
  stamp(change, ++sequence_);
  bool touched = false;
  if (change.mark) {
    TRY(const bool first, keep_mark(*change.mark));
    if (!first) return Outcome::repeated;
    touched = true;
  }
  for (const Write& one : change.writes) {
    TRY(const bool written, std::visit([this](const auto& put) { return this->put(put); }, one));
    if (!written) return touched ? Outcome::torn : Outcome::stale;
    touched = true;
  }
  if (change.request) {
    TRY(const bool kept, keep_request(change));
    if (!kept) return Outcome::torn;
  }
  TRY_VOID(record(change));
  if (events_ == Events::kept) TRY_VOID(keep_events(change));
  return Outcome::applied;
}

Result<bool> Group::keep_request(const Change& change) {
  const StoredRequest kept = stored_request(change, sequence_);
  sql_.insert_request->add(change.ispb.view()).add(ByteView(kept.id.uuid.bytes())).add(ByteView(kept.body_hash));
  sql_.insert_request->add(kept.operation).add(ByteView(kept.resource.bytes())).add(kept.sequence);
  const auto done = sql_.insert_request->run();
  if (!done && done.error().code != Code::conflict) return done.error();
  return done.has_value();
}

Result<bool> Group::keep_mark(const events::Mark& mark) {
  Statement& row = mark.version == 0 ? *sql_.mark_id : *sql_.mark_version;
  TRY(const std::uint64_t written, add_mark(row, mark).run());
  return written == 1;
}

Result<void> Group::keep_events(const Change& change) {
  for (const events::OutboxEvent& event : events_of(change, sequence_)) {
    Statement& row = *sql_.insert_event;
    const std::string headers = events::headers_text(event.message.headers);
    row.add(event.position).add(event.topic).add(event.message.key).add(as_bytes(event.message.body));
    TRY_VOID(row.add(as_bytes(headers)).add(event.message.event_time).run());
  }
  return {};
}

template <class T>
Result<bool> Group::put_row(const Put<T>& put, Statement& insert, Statement& update) {
  Statement& statement = put.before ? update : insert;
  add(statement, put.after);
  if (put.before) {
    add(statement, put.after.id.uuid);
    statement.add(put.before->version);
  }
  const auto done = statement.run();
  if (!done && done.error().code != Code::conflict) return done.error();
  return done.has_value() && *done == 1;
}

Result<bool> Group::yes(Statement& question, const AccountId& account) {
  TRY(const bool answer, question.add(ByteView(account.uuid.bytes())).step());
  question.reset();
  return answer;
}

Result<bool> Group::put(const Put<Account>& put) {
  if (put.before && put.after.status != AccountStatus::open) {
    TRY(const bool has_entries, yes(*sql_.account_has_entries, put.after.id));
    if (has_entries) return false;
  }
  return put_row(put, *sql_.insert_account, *sql_.update_account);
}

Result<bool> Group::put(const Put<Entry>& put) {
  if (put.after.live()) {
    TRY(const bool open, yes(*sql_.account_is_open, put.after.account.id));
    if (!open) return false;
  }
  return put_row(put, *sql_.insert_entry, *sql_.update_entry);
}

Result<bool> Group::put(const Put<Claim>& put) { return put_row(put, *sql_.insert_claim, *sql_.update_claim); }

Result<void> Group::record(const Change& change) {
  std::uint64_t place = 0;
  std::string_view last_tax_id;
  Digest person{};
  SealKey key{};
  for (const Write& one : change.writes) {
    if (const std::string_view tax_id = tax_id_of(one); place == 0 || tax_id != last_tax_id) {
      last_tax_id = tax_id;
      person = person_of(installation_key_, tax_id);
      TRY(const SealKey its_key, seal_key(person));
      key = its_key;
    }
    TRY_VOID(store(chronicle_.record(change, one, sequence_, person, key), place++));
  }
  return {};
}

Result<void> Group::note(const Note& note, const Digest& person) {
  ++sequence_;
  return store(chronicle_.record(note, sequence_, person), 0);
}

Result<void> Group::store(const AuditRecord& record, std::uint64_t place) {
  Statement& row = *sql_.insert_audit;
  row.add(record.sequence * positions_per_commit + place).add(writer_id_).add(std::int64_t{record.month});
  row.add(record.number).add(record.at).add(record.ispb.view()).add(record.actor).add(record.correlation_id);
  row.add(record.operation).add(record.resource_type).add(ByteView(record.resource.bytes()));
  row.add(ByteView(record.person)).add(as_bytes(record.before)).add(as_bytes(record.after));
  TRY_VOID(row.add(ByteView(record.previous)).add(ByteView(record.hash)).run());
  return {};
}

Result<SealKey> Group::seal_key(const Digest& person) {
  const auto known = seal_keys_.find(person);
  if (known != seal_keys_.end()) return known->second;
  SealKey key = new_seal_key();
  TRY(const std::uint64_t fresh, sql_.insert_seal_key->add(ByteView(person)).add(ByteView(key)).run());
  if (fresh == 0) {
    TRY_VOID(sql_.get_seal_key->add(ByteView(person)).step());
    key = bytes_of<32>(*sql_.get_seal_key);
    sql_.get_seal_key->reset();
  }
  if (seal_keys_.size() >= seal_keys_max) seal_keys_.clear();
  seal_keys_.emplace(person, key);
  return key;
}

}  // namespace chaveiro::clients::sqlite
