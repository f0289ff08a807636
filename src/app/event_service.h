// app/event_service.h
//
// Everything about events in one running platform: the bus (the embedded log in the data folder, or an Apache Pulsar broker), the relay
// that publishes what commits left in the outbox, the consumers, the dead letters, and the metrics of all that.
//
// One process at a time has the events of a data folder; a second one (during an upgrade) goes on without, and takes over when they are
// free. While the broker is away events wait in the outbox.
//
// Threads: any. run_once() by one worker, tell_figures() by one.
// Errors:  open faults are tried again and logged; nothing here keeps the platform from serving.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/pulsar.h"
#include "base/log.h"
#include "base/metrics.h"
#include "directory/claims.h"
#include "events/consumer.h"
#include "events/dead_letter_desk.h"
#include "vsync/sync_answers.h"

namespace chaveiro::app {

struct EventServiceOptions {
  std::string folder;                        // of the embedded log and of the lock; "" keeps events in memory
  events::ConsumerMemory* memory = nullptr;  // what consumers remember; null:
  std::string memory_path;                   // in this file; "" in memory
  std::uint32_t partitions = event_partitions;
  std::optional<PulsarEvents> pulsar;        // instead of the embedded log
  events::Handler payment_orders = nullptr;  // null: that topic is not read
  // Where VSYNCResponse is kept, and whose answers count; null: it is not known here.
  vsync::SyncAnswers* sync_answers = nullptr;
  std::vector<directory::Ispb> served = {};
};

class EventService {
 public:
  EventService(EventServiceOptions options, directory::Store& store, directory::Claims& claims, const Clock& clock,
               Logger log, Registry& metrics);
  ~EventService();

  // Opens what is not open yet and publishes what waits. Errors: of what could not be done now.
  Result<void> run_once(Deadline deadline);
  // Depths and lags as metrics. Beside run_once(): a broker whose administration hangs shall not keep events from leaving.
  Result<void> tell_figures(Deadline deadline);
  // Consumers end; what was published is safe.
  void stop(Deadline deadline);

  // Whether events leave: the log is open, the broker answers.
  Result<void> check(Deadline deadline);

  // Null while another process has the log; right after the start they wait for it to be opened. What is in use stays until it is
  // given back.
  std::shared_ptr<events::Bus> bus(Deadline deadline);
  std::shared_ptr<events::DeadLetterDesk> desk(Deadline deadline);

 private:
  struct Open;
  struct State {
    std::shared_ptr<Open> open;
    bool tried = false;  // to open it
  };
  Result<std::shared_ptr<Open>> open(Deadline deadline);
  Result<void> open_bus(Open& made, Deadline deadline) const;
  Result<void> open_consumers(Open& made, Deadline deadline) const;
  std::shared_ptr<Open> opened(Deadline deadline);
  Result<void> tell_lags(Open& now, Deadline deadline);

  const EventServiceOptions options_;
  directory::Store& store_;
  directory::Claims& claims_;
  const Clock& clock_;
  const Logger log_;
  Registry& metrics_;
  Guarded<State> state_;
};

// What the neighbours answer changes entries and claims (topic rsfn-dict-res-in):
//   KeyCreatedResponse      the entry that waited for the registry becomes ACTIVE, or is deleted where `data.success` is false
//   ClaimConfirmedResponse  the claim is confirmed
// (VSYNCResponse: app/sync_responses.h.)
events::Handlers response_handlers(directory::Store& store, directory::Claims& claims, const Clock& clock);

}  // namespace chaveiro::app
