// clients/postgres/events.h
//
// Outbox and inbox of a store (events/outbox.h, events/inbox.h), and what the registry answered about synchronisation
// (vsync/sync_answers.h): their rows lie in the store's own database, so that the writer puts
// them into the transaction of the change that they belong to (group.h). Here is what the relay and the consumers ask.
//
// Of several nodes on one database that serve the same participants, one at a time is told what waits: it holds an advisory lock on a
// connection of its own, and the next node follows when that connection goes. To the others nothing waits.
//
// Threads: any.
#pragma once

#include <memory>
#include <string>

#include "base/guarded.h"
#include "clients/postgres/pool.h"
#include "events/inbox.h"
#include "events/outbox.h"
#include "vsync/sync_answers.h"

namespace chaveiro::clients::postgres {

class StoredEvents final : public events::Outbox, public events::Inbox {
 public:
  // `pool` must live longer. `ispbs`: whose events it relays.
  StoredEvents(Pool& pool, std::string ispbs) : pool_(pool), ispbs_(std::move(ispbs)) {}

  Result<std::vector<events::OutboxEvent>> unpublished(std::uint64_t after, std::size_t limit,
                                                       Deadline deadline) override;
  Result<void> published(std::span<const std::uint64_t> positions, Deadline deadline) override;
  // Of all nodes.
  Result<events::OutboxDepth> depth(Deadline deadline) override;

  Result<Standing> standing(const std::string& subscription, const events::DomainEvent& event,
                            Deadline deadline) override;
  Result<bool> mark(const events::Mark& mark, Deadline deadline) override;
  Result<std::uint64_t> forget_ids(UtcTime before, Deadline deadline) override;

 private:
  struct Turn {
    std::unique_ptr<Connection> connection;
    bool ours = false;  // the lock, as long as the connection stands
  };
  Result<bool> take_turn(Turn& turn, Deadline deadline) const;

  Pool& pool_;
  const std::string ispbs_;
  Guarded<Turn> turn_;
};

class StoredSyncAnswers final : public vsync::SyncAnswers {
 public:
  // `pool` must live longer. `ispbs`: whose answers it keeps.
  StoredSyncAnswers(Pool& pool, std::string ispbs) : pool_(pool), ispbs_(std::move(ispbs)) {}

  Result<bool> keep(const vsync::SyncAnswer& answer, const events::Mark& mark, Deadline deadline) override;
  Result<std::vector<vsync::SyncAnswer>> last(Deadline deadline) override;

 private:
  Pool& pool_;
  const std::string ispbs_;
};

}  // namespace chaveiro::clients::postgres
