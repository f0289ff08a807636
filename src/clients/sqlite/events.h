// clients/sqlite/events.h
//
// Outbox and inbox of a store (events/outbox.h, events/inbox.h), and what the registry answered about synchronisation
// (vsync/sync_answers.h): their rows lie in the store's own database, so that the writer puts
// them into the transaction of the change that they belong to (group.h). Here is what the relay and the consumers ask.
//
// Threads: any.
#pragma once

#include "clients/sqlite/reader_pool.h"
#include "clients/sqlite/writer.h"
#include "events/inbox.h"
#include "events/outbox.h"
#include "vsync/sync_answers.h"

namespace chaveiro::clients::sqlite {

// One row is written where the mark is new; none where it was there.
inline constexpr std::string_view mark_version_sql =
    "INSERT INTO inbox_versions (subscription, aggregate, version) VALUES (?, ?, ?) ON CONFLICT (subscription, "
    "aggregate) "
    "DO UPDATE SET version = excluded.version WHERE excluded.version > version";
inline constexpr std::string_view mark_id_sql =
    "INSERT INTO inbox_ids (subscription, event, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
inline std::string_view mark_sql(const events::Mark& mark) {
  return mark.version == 0 ? mark_id_sql : mark_version_sql;
}
Statement& add_mark(Statement& row, const events::Mark& mark);

class StoredEvents final : public events::Outbox, public events::Inbox {
 public:
  StoredEvents(ReaderPool& readers, Writer& writer) : readers_(readers), writer_(writer) {}

  Result<std::vector<events::OutboxEvent>> unpublished(std::uint64_t after, std::size_t limit,
                                                       Deadline deadline) override;
  Result<void> published(std::span<const std::uint64_t> positions, Deadline deadline) override;
  Result<events::OutboxDepth> depth(Deadline deadline) override;

  Result<Standing> standing(const std::string& subscription, const events::DomainEvent& event,
                            Deadline deadline) override;
  Result<bool> mark(const events::Mark& mark, Deadline deadline) override;
  Result<std::uint64_t> forget_ids(UtcTime before, Deadline deadline) override;

 private:
  ReaderPool& readers_;
  Writer& writer_;
};

class StoredSyncAnswers final : public vsync::SyncAnswers {
 public:
  StoredSyncAnswers(ReaderPool& readers, Writer& writer) : readers_(readers), writer_(writer) {}

  Result<bool> keep(const vsync::SyncAnswer& answer, const events::Mark& mark, Deadline deadline) override;
  Result<std::vector<vsync::SyncAnswer>> last(Deadline deadline) override;

 private:
  ReaderPool& readers_;
  Writer& writer_;
};

}  // namespace chaveiro::clients::sqlite
