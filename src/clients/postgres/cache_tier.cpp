#include "clients/postgres/cache_tier.h"

#include <algorithm>

#include "clients/postgres/connection.h"
#include "clients/postgres/errors.h"

namespace chaveiro::clients::postgres {

namespace {

using cache::TierPut;
using cache::TierStored;
using cache::TierValue;

// Whoever asks for the cache says so in the place of a participant; its tables belong to none.
constexpr std::string_view nobody = "cache";
constexpr std::int64_t hot_lock = 7'230'415'002;

constexpr std::string_view find_values =
    "SELECT key, bytes, version, stored_at, until FROM cache_value WHERE key = ANY ($1::bytea[]) AND until > $2 AND "
    "stored_at <= $2 AND bytes IS "
    "NOT NULL AND epoch = (SELECT epoch FROM cache_state)";

// $6: now. Whatever holds a higher version stays; a value without a version replaces all.
#define NOT_NEWER(version)                                  \
  "(" version " = 0 OR NOT (cache_value.version > " version \
  " AND cache_value.until > $6 AND cache_value.epoch = (SELECT epoch FROM cache_state)))"
constexpr std::string_view put_values =
    "INSERT INTO cache_value (key, bytes, version, stored_at, until, epoch, hits, tags) "
    "SELECT d.key, d.bytes, d.version, $6, d.until, (SELECT epoch FROM cache_state), 0, "
    "(SELECT array_agg(t.tag) FROM unnest($4::integer[], $5::bytea[]) AS t (place, tag) WHERE t.place = d.place) "
    "FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $7::bigint[]) WITH ORDINALITY AS d (key, bytes, version, "
    "until, place) "
    "ON CONFLICT (key) DO UPDATE SET bytes = excluded.bytes, version = excluded.version, stored_at = "
    "excluded.stored_at, until = excluded.until, "
    "epoch = excluded.epoch, hits = 0, tags = excluded.tags WHERE " NOT_NEWER("excluded.version") " RETURNING key";
constexpr std::string_view erase_values = "DELETE FROM cache_value WHERE key = ANY ($1::bytea[])";
constexpr std::string_view fence_value =
    "INSERT INTO cache_value (key, bytes, version, stored_at, until, epoch, hits) SELECT $1, NULL::bytea, $2, $3, $4, "
    "epoch, 0 FROM cache_state "
    "ON CONFLICT (key) DO UPDATE SET bytes = NULL, version = excluded.version, stored_at = excluded.stored_at, until = "
    "excluded.until, "
    "epoch = excluded.epoch, hits = 0, tags = NULL WHERE NOT (cache_value.version > $2 AND cache_value.until > $3 AND "
    "cache_value.epoch = "
    "excluded.epoch)";
constexpr std::string_view erase_if_not_newer =
    "DELETE FROM cache_value WHERE key = $1 AND NOT (version > $2 AND until > $3 AND epoch = (SELECT epoch FROM "
    "cache_state))";

constexpr Oid bytes_type[] = {oid::bytes};
constexpr Oid put_types[] = {oid::bytes, oid::bytes, oid::int8};
constexpr Oid until_type[] = {oid::int8};
constexpr Oid tag_types[] = {oid::int4, oid::bytes};

Result<void> within_bounds(const TierPut& put) {
  if (put.key.empty() || put.key.size() > cache::tier_key_max) return fail_field("key", "1 to 512 bytes", "CacheKey");
  if (put.bytes.size() > cache::tier_value_max) return fail_field("bytes", "at most 16 MiB", "CacheValue");
  if (put.tags.size() > cache::tier_tags_max) return fail_field("tags", "at most 16", "CacheTags");
  return {};
}

}  // namespace

CacheTier::CacheTier(CacheTierOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      pool_({.target = options_.target, .open_max = options_.connections_max, .idle_max = options_.connections_max}),
      pipeline_({.target = options_.target, .connections = 1}) {}

// Once sent, a write that breaks off may have happened.
Result<Rows> CacheTier::write(std::string_view sql, const Params& params, Deadline deadline) {
  TRY(const Pool::Lease connection, pool_.borrow(deadline));
  Result<Rows> done = connection->run_as(nobody, sql, params, deadline);
  if (!done && (connection->broken() || is_lost(done.error()))) done.error().code = Code::maybe_applied;
  return done;
}

Result<Rows> CacheTier::read(std::string_view sql, Params params, Deadline deadline) {
  return pipeline_.run(sql, std::move(params), std::string(nobody), deadline);
}

void CacheTier::count_hits(std::span<const std::string_view> keys) {
  if (options_.hits_held == 0 || keys.empty()) return;
  hits_.with([&](Hits& hits) {
    for (const std::string_view key : keys) {
      const std::string name(key);
      if (hits.size() < options_.hits_held || hits.contains(name)) ++hits[name];
    }
  });
}

Result<std::optional<TierValue>> CacheTier::get(std::string_view key, Deadline deadline) {
  const std::string keys[] = {std::string(key)};
  TRY(auto values, get_many(keys, deadline));
  return std::move(values.front());
}

Result<std::vector<std::optional<TierValue>>> CacheTier::get_many(std::span<const std::string> keys,
                                                                  Deadline deadline) {
  if (deadline.expired()) return too_late();
  std::vector<std::optional<TierValue>> all(keys.size());
  if (keys.empty()) return all;
  Columns wanted(bytes_type);
  for (const std::string& key : keys) wanted.add(as_bytes(key));
  Params params;
  wanted.add_to(params);
  const std::int64_t at = now();
  TRY(const Rows rows, read(find_values, std::move(params.add(at)), deadline));
  std::unordered_map<std::string_view, TierValue> found;
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row row = rows[i];
    const std::string_view key = names.emplace_back(row.text());
    TierValue& value = found[key];
    value.bytes = row.text();
    value.version = static_cast<std::uint64_t>(row.number());
    value.stored_at = UtcTime{Micros{row.number()}};
    value.ttl_left = Micros{row.number() - at};
  }
  count_hits(names);
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (const auto it = found.find(keys[i]); it != found.end()) all[i] = it->second;
  return all;
}

Result<TierStored> CacheTier::put(const TierPut& put, Deadline deadline) {
  TRY(const std::vector<TierStored> stored, put_many({&put, 1}, deadline));
  return stored.front();
}

// In waves without a key twice; in the order of the keys, so that two nodes never wait for each other in a circle.
Result<std::vector<TierStored>> CacheTier::put_many(std::span<const TierPut> puts, Deadline deadline) {
  for (const TierPut& put : puts) TRY_VOID(within_bounds(put));
  if (deadline.expired()) return too_late();
  std::vector<TierStored> stored(puts.size(), TierStored::superseded);
  std::vector<std::size_t> waiting(puts.size());
  for (std::size_t i = 0; i < puts.size(); ++i) waiting[i] = i;
  std::ranges::stable_sort(waiting, {}, [&](std::size_t i) { return puts[i].key; });
  const std::int64_t at = now();
  while (!waiting.empty()) {
    Columns values(put_types), untils(until_type), tags(tag_types);
    std::unordered_map<std::string_view, std::size_t> wave;
    std::vector<std::size_t> later;
    for (const std::size_t i : waiting) {
      const TierPut& put = puts[i];
      if (wave.contains(put.key)) {
        later.push_back(i);
        continue;
      }
      if (put.ttl <= Micros{0}) {
        const Params params =
            Params().add(as_bytes(put.key)).add(put.version == 0 ? std::uint64_t{INT64_MAX} : put.version).add(at);
        TRY(const Rows gone, write(erase_if_not_newer, params, deadline));
        stored[i] = TierStored::stored;
        continue;
      }
      wave.emplace(put.key, i);
      const Micros ttl = options_.ttl_max > Micros{0} ? std::min(put.ttl, options_.ttl_max) : put.ttl;
      values.add(as_bytes(put.key)).add(as_bytes(put.bytes)).add(put.version);
      untils.add(at + ttl.count());
      for (const std::string& tag : put.tags) tags.add(static_cast<std::int64_t>(values.rows())).add(as_bytes(tag));
    }
    if (values.rows() > 0) {
      Params params;
      values.add_to(params);
      tags.add_to(params);
      params.add(at);
      untils.add_to(params);
      TRY(const Rows rows, write(put_values, params, deadline));
      for (std::size_t i = 0; i < rows.size(); ++i) stored[wave.at(rows[i].text())] = TierStored::stored;
    }
    waiting = std::move(later);
  }
  return stored;
}

Result<void> CacheTier::erase(std::string_view key, std::uint64_t version, Deadline deadline) {
  if (deadline.expired()) return too_late();
  if (version == 0) {
    const std::string keys[] = {std::string(key)};
    return erase_many(keys, deadline);
  }
  const std::int64_t at = now();
  TRY_VOID(write(fence_value, Params().add(as_bytes(key)).add(version).add(at).add(at + cache::fence_time.count()),
                 deadline));
  return {};
}

Result<void> CacheTier::erase_many(std::span<const std::string> keys, Deadline deadline) {
  if (deadline.expired()) return too_late();
  if (keys.empty()) return {};
  Columns all(bytes_type);
  for (const std::string& key : keys) all.add(as_bytes(key));
  Params params;
  all.add_to(params);
  TRY_VOID(write(erase_values, params, deadline));
  return {};
}

Result<void> CacheTier::erase_tag(std::string_view tag, Deadline deadline) {
  if (deadline.expired()) return too_late();
  TRY_VOID(write("DELETE FROM cache_value WHERE tags IS NOT NULL AND tags @> ARRAY[$1::bytea]",
                 Params().add(as_bytes(tag)), deadline));
  return {};
}

Result<void> CacheTier::clear(Deadline deadline) {
  if (deadline.expired()) return too_late();
  TRY_VOID(write("UPDATE cache_state SET epoch = epoch + 1", {}, deadline));
  hits_.with([](Hits& hits) { hits.clear(); });
  return {};
}

Result<void> CacheTier::write_hits(Deadline deadline) {
  if (deadline.expired()) return too_late();
  const Hits counted = hits_.with([](Hits& hits) { return std::exchange(hits, {}); });
  if (counted.empty()) return {};
  constexpr Oid types[] = {oid::bytes, oid::int8};
  Columns counts(types);
  for (const auto& [key, count] : counted) counts.add(as_bytes(key)).add(count);
  Params params;
  counts.add_to(params);
  TRY_VOID(write(
      "UPDATE cache_value AS c SET hits = c.hits + d.count FROM unnest($1::bytea[], $2::bigint[]) AS d (key, count) "
      "WHERE c.key = d.key",
      params, deadline));
  return {};
}

Result<bool> CacheTier::purge_step(Deadline deadline) {
  if (deadline.expired()) return too_late();
  TRY(const Rows rows,
      write("DELETE FROM cache_value WHERE key IN (SELECT key FROM cache_value WHERE until <= $1 UNION SELECT key FROM "
            "cache_value WHERE epoch < (SELECT epoch FROM cache_state) LIMIT $2)",
            Params().add(now()).add(std::int64_t{options_.purge_rows}), deadline));
  return rows.affected() == options_.purge_rows;
}

Result<CacheTier::Usage> CacheTier::usage(Deadline deadline) {
  TRY(const Rows rows,
      read("SELECT count(*), pg_total_relation_size('cache_value'), (SELECT epoch FROM cache_state) FROM cache_value",
           {}, deadline));
  Row row = rows[0];
  Usage usage;
  usage.rows = static_cast<std::uint64_t>(row.number());
  usage.bytes = static_cast<std::uint64_t>(row.number());
  usage.epoch = static_cast<std::uint64_t>(row.number());
  return usage;
}

Result<std::uint64_t> CacheTier::hits(std::string_view key, Deadline deadline) {
  TRY(const Rows rows, read("SELECT hits FROM cache_value WHERE key = $1", Params().add(as_bytes(key)), deadline));
  return rows.empty() ? std::uint64_t{0} : static_cast<std::uint64_t>(rows[0].number());
}

// One transaction: readers see the old counts or the new ones.
Result<bool> CacheTier::rebuild_hot(Micros not_before, Deadline deadline) {
  TRY(const Pool::Lease connection, pool_.borrow(deadline));
  const std::int64_t at = now();
  connection->send("BEGIN", {});
  connection->send(set_ispbs, Params().add(nobody));
  connection->send("SELECT pg_try_advisory_xact_lock($1)::int::int8", Params().add(hot_lock));
  connection->send("SELECT count(*) FROM cache_hot WHERE built_at > $1", Params().add(at - not_before.count()));
  connection->end();
  std::int64_t answers[4] = {};
  std::optional<Error> failure;
  for (int i = 0; i < 4; ++i) {
    const auto rows = connection->receive(deadline);
    if (!rows && !failure) failure = rows.error();
    if (rows && i >= 2) answers[i] = (*rows)[0].number();
  }
  if (!connection->broken()) TRY_VOID(connection->receive_end(deadline));
  if (failure) return *failure;
  const bool due = answers[2] == 1 && answers[3] == 0;
  if (due) {
    TRY_VOID(connection->run("DELETE FROM cache_hot", {}, deadline));
    TRY_VOID(connection->run(
        "INSERT INTO cache_hot (prefix, keys, hits, bytes, built_at) SELECT prefix, count(*), sum(hits)::bigint, "
        "sum(length(bytes))::bigint, $1 "
        "FROM (SELECT convert_to(substring(encode(key, 'escape') FROM '^[^:]*(?::[^:]*)?'), 'UTF8') AS prefix, hits, "
        "bytes FROM cache_value WHERE "
        "bytes IS NOT NULL AND until > $1 AND epoch = (SELECT epoch FROM cache_state)) AS live GROUP BY prefix",
        Params().add(at), deadline));
  }
  TRY_VOID(connection->run("COMMIT", {}, deadline));
  return due;
}

Result<std::vector<cache::HotPrefix>> CacheTier::hot(Deadline deadline) {
  TRY(const Rows rows,
      read("SELECT prefix, keys, hits, bytes, built_at FROM cache_hot ORDER BY hits DESC, prefix LIMIT 100", {},
           deadline));
  std::vector<cache::HotPrefix> all;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row row = rows[i];
    cache::HotPrefix& one = all.emplace_back();
    one.prefix = row.text();
    one.keys = static_cast<std::uint64_t>(row.number());
    one.hits = static_cast<std::uint64_t>(row.number());
    one.bytes = static_cast<std::uint64_t>(row.number());
    one.built_at = UtcTime{Micros{row.number()}};
  }
  return all;
}

}  // namespace chaveiro::clients::postgres
