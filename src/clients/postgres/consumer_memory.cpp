#include "clients/postgres/consumer_memory.h"

#include "events/outbox.h"

namespace chaveiro::clients::postgres {

using namespace events;

Result<Rows> ConsumerMemory::ask(std::string_view sql, const Params& params, Deadline deadline) {
  TRY(const Pool::Lease connection, pool_.borrow(deadline));
  return connection->run_as(ispbs_, sql, params, deadline);
}

Result<std::uint32_t> ConsumerMemory::begin_try(const std::string& subscription, const Uuid& event, Deadline deadline) {
  TRY(const Rows rows, ask("INSERT INTO consumer_tries AS t VALUES ($1, $2, 1) ON CONFLICT (subscription, event) DO "
                           "UPDATE SET count = t.count + 1 RETURNING count",
                           Params().add(subscription).add(event), deadline));
  return static_cast<std::uint32_t>(rows[0].number());
}

Result<void> ConsumerMemory::failed(const std::string& subscription, const Uuid& event, const Attempt& attempt,
                                    Deadline deadline) {
  TRY_VOID(ask(
      "INSERT INTO consumer_attempts (subscription, event, at, code, reason, message) VALUES ($1, $2, $3, $4, "
      "$5, $6)",
      Params().add(subscription).add(event).add(attempt.at).add(attempt.code).add(attempt.reason).add(attempt.message),
      deadline));
  return {};
}

Result<std::vector<Attempt>> ConsumerMemory::attempts(const std::string& subscription, const Uuid& event,
                                                      Deadline deadline) {
  TRY(const Rows rows,
      ask("SELECT at, code, reason, message FROM consumer_attempts WHERE subscription = $1 AND event = "
          "$2 ORDER BY number",
          Params().add(subscription).add(event), deadline));
  std::vector<Attempt> found(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row row = rows[i];
    found[i].at = row.time();
    found[i].code = row.text();
    found[i].reason = row.text();
    found[i].message = row.text();
  }
  return found;
}

Result<void> ConsumerMemory::forget_tries(const std::string& subscription, const Uuid& event, Deadline deadline) {
  TRY_VOID(
      ask("WITH known AS (DELETE FROM consumer_tries WHERE subscription = $1 AND event = $2 RETURNING 1) "
          "DELETE FROM consumer_attempts WHERE subscription = $1 AND event = $2 AND EXISTS (SELECT FROM known)",
          Params().add(subscription).add(event), deadline));
  return {};
}

Result<void> ConsumerMemory::set_dead(const std::string& subscription, const std::string& key, const Uuid& event,
                                      Deadline deadline) {
  TRY_VOID(
      ask("INSERT INTO consumer_dead VALUES ($1, $2, $3) ON CONFLICT (subscription, key) DO UPDATE SET event = "
          "excluded.event",
          Params().add(subscription).add(key).add(event), deadline));
  return {};
}

Result<bool> ConsumerMemory::revive(const std::string& subscription, const std::string& key, const Uuid& event,
                                    Deadline deadline) {
  TRY(const Rows rows, ask("DELETE FROM consumer_dead WHERE subscription = $1 AND key = $2 AND event = $3",
                           Params().add(subscription).add(key).add(event), deadline));
  return rows.affected() > 0;
}

Result<KeyState> ConsumerMemory::key_state(const std::string& subscription, const std::string& key, Deadline deadline) {
  TRY(const Rows rows, ask("SELECT EXISTS (SELECT FROM consumer_dead WHERE subscription = $1 AND key = $2), EXISTS "
                           "(SELECT FROM consumer_parked WHERE subscription = $1 AND key = $2)",
                           Params().add(subscription).add(key), deadline));
  Row row = rows[0];
  if (row.yes()) return KeyState::dead;
  return row.yes() ? KeyState::waiting_for_gap : KeyState::free;
}

Result<void> ConsumerMemory::park(const Parked& parked, Deadline deadline) {
  const std::string headers = headers_text(parked.message.headers);
  TRY_VOID(
      ask("INSERT INTO consumer_parked (ispbs, subscription, key, event, topic, since, body, headers, event_time) "
          "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
          Params()
              .add(ispbs_)
              .add(parked.subscription)
              .add(parked.key)
              .add(parked.event_id)
              .add(parked.topic)
              .add(parked.since)
              .add(as_bytes(parked.message.body))
              .add(as_bytes(headers))
              .add(parked.message.event_time),
          deadline));
  return {};
}

Result<std::vector<Parked>> ConsumerMemory::parked(const std::string& subscription, const std::string& key,
                                                   std::size_t limit, Deadline deadline) {
  TRY(const Rows rows, ask("SELECT number, event, topic, since, body, headers, event_time FROM consumer_parked WHERE "
                           "subscription = $1 AND key = $2 ORDER BY number LIMIT $3",
                           Params().add(subscription).add(key).add(std::uint64_t{limit}), deadline));
  std::vector<Parked> found(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row row = rows[i];
    Parked& one = found[i];
    one.subscription = subscription;
    one.key = one.message.key = key;
    one.number = static_cast<std::uint64_t>(row.number());
    one.event_id = row.uuid();
    one.topic = row.text();
    one.since = row.time();
    one.message.body = row.text();
    TRY(one.message.headers, parse_headers_text(row.text()));
    one.message.event_time = row.time();
  }
  return found;
}

Result<void> ConsumerMemory::unpark(const std::string& subscription, const std::string& key, const Uuid& event,
                                    Deadline deadline) {
  TRY_VOID(ask("DELETE FROM consumer_parked WHERE subscription = $1 AND key = $2 AND event = $3",
               Params().add(subscription).add(key).add(event), deadline));
  return {};
}

Result<std::vector<ConsumerMemory::ParkedKey>> ConsumerMemory::parked_keys(const std::string& subscription,
                                                                           std::size_t limit, Deadline deadline) {
  TRY(const Rows rows,
      ask("SELECT key, max(dead), min(since), sum(events)::bigint FROM ("
          "SELECT key, 1 AS dead, NULL::timestamptz AS since, 0 AS events FROM consumer_dead WHERE "
          "subscription = $1 UNION ALL SELECT key, 0, since, 1 FROM consumer_parked WHERE subscription "
          "= $1) AS both_kinds GROUP BY key ORDER BY key LIMIT $2",
          Params().add(subscription).add(std::uint64_t{limit}), deadline));
  std::vector<ParkedKey> found(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row row = rows[i];
    found[i].key = row.text();
    found[i].dead = row.yes();
    if (row.null()) {
      row.skip();
    } else {
      found[i].since = row.time();
    }
    found[i].events = static_cast<std::uint64_t>(row.number());
  }
  return found;
}

}  // namespace chaveiro::clients::postgres
