#include "clients/sqlite/events.h"

#include "clients/sqlite/impl.h"

namespace chaveiro::clients::sqlite {

using namespace events;

Statement& add_mark(Statement& row, const Mark& mark) {
  row.add(mark.subscription);
  return mark.version == 0 ? row.add(mark.event_id).add(mark.at) : row.add(mark.aggregate_id).add(mark.version);
}

Result<std::vector<OutboxEvent>> StoredEvents::unpublished(std::uint64_t after, std::size_t limit, Deadline deadline) {
  TRY(auto reader, readers_.borrow(deadline));
  TRY(Statement* const rows,
      reader->prepare(
          "SELECT position, topic, key, body, headers, at FROM outbox WHERE position > ? ORDER BY position LIMIT ?"));
  rows->add(after).add(static_cast<std::int64_t>(limit));
  std::vector<OutboxEvent> found;
  for (;;) {
    TRY(const bool row, rows->step());
    if (!row) return found;
    OutboxEvent& event = found.emplace_back();
    event.position = static_cast<std::uint64_t>(rows->number());
    event.topic = rows->text();
    event.message.key = rows->text();
    event.message.body = as_text(rows->bytes());
    auto headers = parse_headers_text(as_text(rows->bytes()));
    event.message.event_time = UtcTime(Micros(rows->number()));
    if (!headers) {
      rows->reset();
      return std::move(headers).error();
    }
    event.message.headers = std::move(*headers);
  }
}

Result<void> StoredEvents::published(std::span<const std::uint64_t> positions, Deadline deadline) {
  std::vector<std::uint64_t> gone(positions.begin(), positions.end());
  const auto remove = [gone = std::move(gone)](Group& group) -> Result<std::uint64_t> {
    TRY(Statement* const row, group.connection().prepare("DELETE FROM outbox WHERE position = ?"));
    for (const std::uint64_t position : gone) TRY_VOID(row->add(position).run());
    return gone.size();
  };
  TRY_VOID(writer_.run(remove, deadline, Writer::Of::beside));
  return {};
}

Result<OutboxDepth> StoredEvents::depth(Deadline deadline) {
  TRY(auto reader, readers_.borrow(deadline));
  TRY(Statement* const row, reader->prepare("SELECT count(*), min(at) FROM outbox"));
  TRY_VOID(row->step());
  OutboxDepth depth;
  depth.events = static_cast<std::uint64_t>(row->number());
  if (!row->null()) depth.oldest = UtcTime(Micros(row->number()));
  row->reset();
  return depth;
}

Result<Inbox::Standing> StoredEvents::standing(const std::string& subscription, const DomainEvent& event,
                                               Deadline deadline) {
  TRY(auto reader, readers_.borrow(deadline));
  Standing standing;
  if (event.version != 0) {
    TRY(Statement* const row,
        reader->prepare("SELECT version FROM inbox_versions WHERE subscription = ? AND aggregate = ?"));
    TRY(const bool known, row->add(subscription).add(event.aggregate_id).step());
    if (known) standing.applied = static_cast<std::uint64_t>(row->number());
    row->reset();
    return standing;
  }
  TRY(Statement* const row, reader->prepare("SELECT 1 FROM inbox_ids WHERE subscription = ? AND event = ?"));
  TRY(standing.seen, row->add(subscription).add(event.event_id).step());
  row->reset();
  return standing;
}

Result<bool> StoredEvents::mark(const Mark& mark, Deadline deadline) {
  TRY(const std::uint64_t written, writer_.run(
                                       [mark](Group& group) -> Result<std::uint64_t> {
                                         TRY(Statement* const row, group.connection().prepare(mark_sql(mark)));
                                         return add_mark(*row, mark).run();
                                       },
                                       deadline, Writer::Of::beside));
  return written == 1;
}

Result<std::uint64_t> StoredEvents::forget_ids(UtcTime before, Deadline deadline) {
  return writer_.run(
      [before](Group& group) -> Result<std::uint64_t> {
        TRY(Statement* const row, group.connection().prepare("DELETE FROM inbox_ids WHERE at < ?"));
        return row->add(before).run();
      },
      deadline, Writer::Of::beside);
}

Result<bool> StoredSyncAnswers::keep(const vsync::SyncAnswer& answer, const Mark& mark, Deadline deadline) {
  static const std::string keeping =
      "INSERT INTO sync_answers (" + std::string(sync_answer_columns) +
      ") VALUES (?, ?, ?, ?, ?) ON CONFLICT (ispb, key_type) DO UPDATE SET agreement = excluded.agreement, "
      "vsync = excluded.vsync, verified_at = excluded.verified_at WHERE excluded.verified_at >= verified_at";
  TRY(const std::uint64_t written, writer_.run(
                                       [answer, mark](Group& group) -> Result<std::uint64_t> {
                                         TRY(Statement* const marking, group.connection().prepare(mark_sql(mark)));
                                         TRY(const std::uint64_t fresh, add_mark(*marking, mark).run());
                                         if (fresh == 0) return fresh;
                                         TRY(Statement* const row, group.connection().prepare(keeping));
                                         row->add(answer.participant.view()).add(answer.key_type).add(answer.agreement);
                                         TRY_VOID(row->add(ByteView(answer.vsync)).add(answer.verified_at).run());
                                         return fresh;
                                       },
                                       deadline, Writer::Of::beside));
  return written == 1;
}

Result<std::vector<vsync::SyncAnswer>> StoredSyncAnswers::last(Deadline deadline) {
  TRY(auto reader, readers_.borrow(deadline));
  TRY(Statement* const rows,
      reader->prepare("SELECT " + std::string(sync_answer_columns) + " FROM sync_answers ORDER BY ispb, key_type"));
  return all_rows(*rows, read_sync_answer);
}

}  // namespace chaveiro::clients::sqlite
