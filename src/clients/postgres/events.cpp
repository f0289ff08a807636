#include "clients/postgres/events.h"

#include "clients/postgres/impl.h"

namespace chaveiro::clients::postgres {

using namespace events;

namespace {

constexpr std::int32_t relay_lock =
    0x6f757462;  // its class among advisory locks; the other half tells the participants

constexpr Oid positions_type[] = {oid::int8};

// One row is written where the mark is new; none where it was there.
const std::string& mark_sql(const Mark& mark) {
  static const std::string by_version = "INSERT INTO inbox_versions (" + inbox_versions_table.list() +
                                        ") VALUES ($1, $2, $3) ON CONFLICT " + std::string(newer_version_wins);
  static const std::string by_id =
      "INSERT INTO inbox_ids (" + inbox_ids_table.list() + ") VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
  return mark.version == 0 ? by_id : by_version;
}

}  // namespace

Result<bool> StoredEvents::take_turn(Turn& turn, Deadline deadline) const {
  if (turn.connection && !(turn.connection->still_there() && turn.connection->reusable())) turn = {};
  if (!turn.connection) {
    TRY(turn.connection, Connection::open(pool_.target(), deadline));
  }
  if (turn.ours) return true;
  TRY(const Rows rows, turn.connection->run("SELECT pg_try_advisory_lock($1, hashtext($2))",
                                            Params().add(relay_lock).add(ispbs_), deadline));
  turn.ours = rows[0].yes();
  return turn.ours;
}

Result<std::vector<OutboxEvent>> StoredEvents::unpublished(std::uint64_t after, std::size_t limit, Deadline deadline) {
  static const std::string text =
      "SELECT " + outbox_table.list() + " FROM outbox WHERE position > $1 ORDER BY position LIMIT $2";
  auto turn = turn_.lock();
  TRY(const bool ours, take_turn(*turn, deadline));
  if (!ours) return std::vector<OutboxEvent>{};
  TRY(const Rows rows, turn->connection->run_as(ispbs_, text, Params().add(after).add(std::uint64_t{limit}), deadline));
  std::vector<OutboxEvent> found;
  found.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    TRY(OutboxEvent event, read_event(rows[i]));
    found.push_back(std::move(event));
  }
  return found;
}

Result<void> StoredEvents::published(std::span<const std::uint64_t> positions, Deadline deadline) {
  Columns gone(positions_type);
  for (const std::uint64_t position : positions) gone.add(position);
  Params params;
  gone.add_to(params);
  TRY(const Pool::Lease connection, pool_.borrow(deadline));
  TRY_VOID(connection->run_as(ispbs_, "DELETE FROM outbox WHERE position = ANY ($1)", params, deadline));
  return {};
}

Result<OutboxDepth> StoredEvents::depth(Deadline deadline) {
  TRY(const Pool::Lease connection, pool_.borrow(deadline));
  TRY(const Rows rows, connection->run_as(ispbs_, "SELECT count(*), min(at) FROM outbox", {}, deadline));
  OutboxDepth depth;
  Row row = rows[0];
  depth.events = static_cast<std::uint64_t>(row.number());
  if (!row.null()) depth.oldest = row.time();
  return depth;
}

Result<Inbox::Standing> StoredEvents::standing(const std::string& subscription, const DomainEvent& event,
                                               Deadline deadline) {
  TRY(const Pool::Lease connection, pool_.borrow(deadline));
  Standing standing;
  if (event.version == 0) {
    TRY(const Rows rows, connection->run_as(ispbs_, "SELECT 1 FROM inbox_ids WHERE subscription = $1 AND event = $2",
                                            Params().add(subscription).add(event.event_id), deadline));
    standing.seen = !rows.empty();
    return standing;
  }
  TRY(const Rows rows,
      connection->run_as(ispbs_, "SELECT version FROM inbox_versions WHERE subscription = $1 AND aggregate = $2",
                         Params().add(subscription).add(event.aggregate_id), deadline));
  if (!rows.empty()) standing.applied = static_cast<std::uint64_t>(rows[0].number());
  return standing;
}

Result<bool> StoredEvents::mark(const Mark& mark, Deadline deadline) {
  Params params;
  add(params, mark);
  TRY(const Pool::Lease connection, pool_.borrow(deadline));
  TRY(const Rows rows, connection->run_as(ispbs_, mark_sql(mark), params, deadline));
  return rows.affected() == 1;
}

Result<std::uint64_t> StoredEvents::forget_ids(UtcTime before, Deadline deadline) {
  TRY(const Pool::Lease connection, pool_.borrow(deadline));
  TRY(const Rows rows,
      connection->run_as(ispbs_, "DELETE FROM inbox_ids WHERE at < $1", Params().add(before), deadline));
  return rows.affected();
}

// One statement, so one transaction: the answer is written where the mark was.
Result<bool> StoredSyncAnswers::keep(const vsync::SyncAnswer& answer, const Mark& mark, Deadline deadline) {
  static const std::string keeping = ", kept AS (INSERT INTO sync_answers (" + sync_answers_table.list() +
                                     ") SELECT $4, $5, $6, $7, $8 FROM mark ON CONFLICT (ispb, key_type) DO UPDATE SET "
                                     "agreement = excluded.agreement, "
                                     "vsync = excluded.vsync, verified_at = excluded.verified_at WHERE "
                                     "excluded.verified_at >= sync_answers.verified_at) "
                                     "SELECT count(*) FROM mark";
  Params params;
  add(params, mark);
  add(params, answer);
  TRY(const Pool::Lease connection, pool_.borrow(deadline));
  TRY(const Rows rows,
      connection->run_as(ispbs_, "WITH mark AS (" + mark_sql(mark) + " RETURNING 1)" + keeping, params, deadline));
  return rows[0].number() == 1;
}

Result<std::vector<vsync::SyncAnswer>> StoredSyncAnswers::last(Deadline deadline) {
  static const std::string text = "SELECT " + sync_answers_table.list() + " FROM sync_answers ORDER BY ispb, key_type";
  TRY(const Pool::Lease connection, pool_.borrow(deadline));
  return all_rows(connection->run_as(ispbs_, text, {}, deadline), read_sync_answer);
}

}  // namespace chaveiro::clients::postgres
