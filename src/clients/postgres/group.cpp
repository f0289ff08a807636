#include "clients/postgres/group.h"

#include <algorithm>

#include "clients/postgres/errors.h"
#include "clients/postgres/notices.h"
#include "directory/commit_queue.h"
#include "directory/happened.h"

namespace chaveiro::clients::postgres {

using namespace directory;

namespace {

constexpr std::size_t remembered_max = 8192;

constexpr std::string_view lock_state = "SELECT sequence, erasures FROM state FOR UPDATE";
constexpr std::string_view get_writer = "SELECT month, number, hash FROM writers WHERE name = $1";
constexpr std::string_view add_writer =
    "INSERT INTO writers (name, month, number, hash) VALUES ($1, 0, 0, $2) ON CONFLICT DO NOTHING";
constexpr std::string_view set_state = "UPDATE state SET sequence = $1, erasures = $2";
constexpr std::string_view set_writer = "UPDATE writers SET month = $2, number = $3, hash = $4 WHERE name = $1";
constexpr std::string_view add_seal_keys =
    "INSERT INTO seal_keys (person, key) SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT DO NOTHING";
constexpr std::string_view get_seal_keys = "SELECT person, key FROM seal_keys WHERE person = ANY ($1::bytea[])";

constexpr Oid bytes_pair[] = {oid::bytes, oid::bytes};

const std::string add_requests_early = "INSERT INTO requests (" + requests_table.list() + ") SELECT * FROM " +
                                       requests_table.unnested(1) + " ON CONFLICT DO NOTHING RETURNING ispb, id";
const std::string add_requests_late =
    "INSERT INTO requests (" + requests_table.list() + ") SELECT * FROM " + requests_table.unnested(1);
const std::string add_audit = "INSERT INTO audit (" + audit_table.list() + ") SELECT * FROM " + audit_table.unnested(1);
const std::string add_events =
    "INSERT INTO outbox (" + outbox_table.list() + ") SELECT * FROM " + outbox_table.unnested(1);

// An error that is the fault of a change, not of the database.
bool is_of_change(const Error& error) {
  return error.reason == "Constraint" || error.code == Code::invalid || error.code == Code::forbidden;
}

}  // namespace

Group::Group(const Secret& installation_key, std::string writer, std::string ispbs, Events events)
    : installation_key_(installation_key),
      writer_(writer),
      ispbs_(std::move(ispbs)),
      events_(events),
      chronicle_(std::move(writer), {}),
      audit_(audit_table.types()),
      requests_(requests_table.types()),
      outbox_(outbox_table.types()) {}

Result<void> Group::begin(Connection& connection, Deadline deadline) {
  connection_ = &connection;
  audit_ = Columns(audit_table.types());
  requests_ = Columns(requests_table.types());
  outbox_ = Columns(outbox_table.types());
  const Digest none{};
  connection.send("BEGIN", {});
  connection.send(set_ispbs, Params().add(ispbs_));
  const bool adds = !known_writer_;
  connection.send(lock_state, {});
  if (adds) connection.send(add_writer, Params().add(writer_).add(ByteView(none)));
  connection.send(get_writer, Params().add(writer_));
  connection.end();
  const Result<Rows> begun = connection.receive(deadline), set = connection.receive(deadline),
                     state = connection.receive(deadline);
  const Result<Rows> added = adds ? connection.receive(deadline) : Rows{};
  const Result<Rows> head = connection.receive(deadline);
  if (!connection.broken()) TRY_VOID(connection.receive_end(deadline));
  for (const Result<Rows>* one : {&begun, &set, &state, &added, &head})
    if (!*one) return one->error();
  if (state->empty() || head->empty())
    return fail(Code::corrupt, "DatabaseCorrupt", "the row of `state` or of this writer is not there");
  Row state_row = (*state)[0];
  sequence_ = static_cast<std::uint64_t>(state_row.number());
  const auto erasures = static_cast<std::uint64_t>(state_row.number());
  if (erasures != erasures_ || seal_keys_.size() > remembered_max) forget_seal_keys();
  erasures_ = erasures;
  Row head_row = (*head)[0];
  Chronicle::Head at;
  at.month = static_cast<Month>(head_row.number());
  at.number = static_cast<std::uint64_t>(head_row.number());
  at.hash = bytes_of<32>(head_row);
  chronicle_ = Chronicle(writer_, at);
  return {};
}

Result<std::vector<Group::Answer>> Group::apply(std::span<Change* const> changes, Requests requests,
                                                Deadline deadline) {
  std::vector<Answer> answers(changes.size(), Answer(Committed{}));
  std::vector<Item> items;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (auto good = check_shape(*changes[i]); !good) {
      answers[i] = good.error();
      continue;
    }
    stamp(*changes[i], ++sequence_);
    answers[i] = Committed{sequence_};
    items.push_back({changes[i], &answers[i], sequence_});
  }
  if (!items.empty()) TRY_VOID(attempt(items, requests, deadline));
  for (const Item& item : items)
    if (*item.answer) record(*item.change, requests);
  return answers;
}

// All of them, or each half by itself.
Result<void> Group::attempt(std::span<Item> items, Requests requests, Deadline deadline) {
  TRY(const std::optional<Error> failure, try_all(items, requests, deadline));
  if (!failure) return {};
  TRY_VOID(take_back(deadline));
  if (items.size() == 1) {
    *items.front().answer = failure->reason == "Constraint" ? stale() : *failure;
    return {};
  }
  const std::size_t half = items.size() / 2;
  TRY_VOID(attempt(items.first(half), requests, deadline));
  return attempt(items.subspan(half), requests, deadline);
}

// An error within: the range as a whole does not go; a failure of the result: the database's.
Result<std::optional<Error>> Group::try_all(std::span<Item> items, Requests requests, Deadline deadline) {
  Connection& connection = *connection_;
  for (Item& item : items) item.written = 0, item.marked = false, *item.answer = Committed{item.sequence};
  std::vector<Batch> batches = batches_of(items);
  const std::vector<Digest> persons = unknown_persons(items);
  connection.send("SAVEPOINT range", {});
  for (const Batch& batch : batches) {
    Params params;
    batch.add_to(params);
    connection.send(batch.sql(), params);
  }
  Columns early(requests_table.types());
  if (requests == Requests::early) {
    for (const Item& item : items)
      if (item.change->request) add(early, item.change->ispb, stored_request(*item.change, item.sequence));
  }
  if (early.rows() > 0) {
    Params params;
    early.add_to(params);
    connection.send(add_requests_early, params);
  }
  if (!persons.empty()) {
    Columns keys(bytes_pair), wanted(std::span<const Oid>(bytes_pair).first(1));
    for (const Digest& person : persons) {
      keys.add(ByteView(person)).add(ByteView(new_seal_key()));
      wanted.add(ByteView(person));
    }
    Params both, one;
    keys.add_to(both), wanted.add_to(one);
    connection.send(add_seal_keys, both);
    connection.send(get_seal_keys, one);
  }
  connection.end();

  std::optional<Error> failure;
  std::vector<std::pair<Digest, SealKey>> fresh;
  const auto receive = [&]() -> Result<Rows> {
    Result<Rows> rows = connection.receive(deadline);
    if (!rows && !failure) failure = rows.error();
    return rows;
  };
  (void)receive();
  for (Batch& batch : batches)
    if (const auto rows = receive()) batch.count(*rows);
  bool torn = false;
  if (early.rows() > 0) {
    if (const auto rows = receive(); rows && rows->size() < early.rows()) torn = true;
  }
  if (!persons.empty()) {
    (void)receive();
    if (const auto rows = receive()) {
      for (std::size_t i = 0; i < rows->size() && !failure; ++i) {
        Row row = (*rows)[i];
        const Digest person = bytes_of<32>(row);
        fresh.emplace_back(person, bytes_of<32>(row));
      }
    }
  }
  if (!connection.broken()) TRY_VOID(connection.receive_end(deadline));
  if (failure && (connection.broken() || !is_of_change(*failure))) return *failure;
  if (failure) return failure;
  for (Item& item : items) {
    if (item.change->mark && !item.marked) {
      if (items.size() == 1) return std::optional<Error>(applied_already());
      torn = true;
    }
    if (item.written == item.change->writes.size()) continue;
    // With its RequestId or its mark stored already, a change of which nothing else was written is torn too.
    torn |= item.written > 0 || item.marked || (requests == Requests::early && item.change->request);
    *item.answer = stale();
  }
  if (torn) return std::optional<Error>(fail(Code::conflict, "Constraint", ""));
  seal_keys_.insert(fresh.begin(), fresh.end());
  return std::optional<Error>{};
}

Result<void> Group::take_back(Deadline deadline) {
  connection_->send("ROLLBACK TO range", {});
  connection_->end();
  const Result<Rows> back = connection_->receive(deadline);
  if (!connection_->broken()) TRY_VOID(connection_->receive_end(deadline));
  if (!back) return back.error();
  return {};
}

const Digest& Group::person(std::string_view tax_id) {
  if (persons_.size() > remembered_max) persons_.clear();
  const auto [found, fresh] = persons_.try_emplace(std::string(tax_id));
  if (fresh) found->second = person_of(installation_key_, tax_id);
  return found->second;
}

std::vector<Digest> Group::unknown_persons(std::span<Item> items) {
  std::vector<Digest> unknown;
  for (const Item& item : items) {
    for (const Write& write : item.change->writes)
      if (const Digest& its = person(tax_id_of(write)); !seal_keys_.contains(its)) unknown.push_back(its);
  }
  std::ranges::sort(unknown);
  const auto rest = std::ranges::unique(unknown);
  unknown.erase(rest.begin(), rest.end());
  return unknown;
}

void Group::record(const Change& change, Requests requests) {
  const std::uint64_t sequence = std::visit([](const auto& put) { return put.after.version; }, change.writes.front());
  std::uint64_t place = 0;
  for (const Write& write : change.writes) {
    const Digest its = person(tax_id_of(write));
    keep(chronicle_.record(change, write, sequence, its, seal_keys_.at(its)), place++);
  }
  if (change.request && requests == Requests::late) add(requests_, change.ispb, stored_request(change, sequence));
  if (events_ == Events::none) return;
  for (const events::OutboxEvent& event : events_of(change, sequence)) add(outbox_, change.ispb, event);
}

void Group::keep(const AuditRecord& record, std::uint64_t place) { add(audit_, record, place); }

void Group::note(const Note& note, const Digest& person) { keep(chronicle_.record(note, ++sequence_, person), 0); }

// `requests_` is empty where they were stored early.
Result<void> Group::commit(Deadline deadline) {
  Connection& connection = *connection_;
  const Chronicle::Head& head = chronicle_.head();
  std::size_t statements = 4;
  const auto send = [&](const std::string& sql, const Columns& columns) {
    if (columns.rows() == 0) return;
    Params params;
    columns.add_to(params);
    connection.send(sql, params);
    ++statements;
  };
  send(add_requests_late, requests_);
  send(add_audit, audit_);
  send(add_events, outbox_);
  connection.send(set_state, Params().add(sequence_).add(erasures_));
  connection.send(
      set_writer,
      Params().add(writer_).add(static_cast<std::int32_t>(head.month)).add(head.number).add(ByteView(head.hash)));
  connection.send(notify_commit, Params().add(writer_ + " " + std::to_string(sequence_)));
  connection.send("COMMIT", {});
  connection.end();
  std::optional<Error> failure;
  for (std::size_t i = 0; i < statements; ++i)
    if (const auto rows = connection.receive(deadline); !rows && !failure) failure = rows.error();
  if (!connection.broken()) {
    if (const auto end = connection.receive_end(deadline); !end && !failure) failure = end.error();
  }
  if (failure) return *failure;
  known_writer_ = true;
  return {};
}

void Group::rollback(Deadline deadline) {
  forget_seal_keys();
  if (connection_ != nullptr && !connection_->broken()) (void)connection_->run("ROLLBACK", {}, deadline);
}

void Group::abandon() {
  forget_seal_keys();
  connection_ = nullptr;
  known_writer_ = false;
}

Result<bool> Group::has_head(Connection& connection, const Chronicle::Head& head, Deadline deadline) {
  const auto begun = begin(connection, deadline);
  const bool same = begun && chronicle_.head() == head;
  rollback(deadline);
  if (!begun) return begun.error();
  return same;
}

}  // namespace chaveiro::clients::postgres
