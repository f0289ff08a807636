// app/event_admin.h
//
// What an operator may do about events (api/admin.h), over the event service. Each call is authorised here (operator or admin; to see
// personal data: admin), and what changes or reveals something leaves an audit record.
//
// Threads: any number at once.
#pragma once

#include "api/admin.h"
#include "app/event_service.h"

namespace chaveiro::app {

class EventAdmin final : public api::EventsPort {
 public:
  EventAdmin(EventService& service, directory::Store& store, const Clock& clock)
      : service_(service), store_(store), clock_(clock) {}

  Result<std::vector<events::LetterView>> dead_letters(const directory::Context& context,
                                                       const std::string& subscription, std::size_t limit) override;
  Result<events::LetterView> dead_letter(const directory::Context& context, const std::string& id,
                                         api::Bodies bodies) override;
  Result<events::ReplayProgress> replay_dead_letters(const directory::Context& context,
                                                     const events::ReplayRequest& request) override;
  Result<std::uint64_t> discard_dead_letters(const directory::Context& context,
                                             const std::vector<std::string>& ids) override;
  Result<std::vector<api::TailedEvent>> tail(const directory::Context& context, const std::string& topic,
                                             std::optional<UtcTime> from, std::size_t limit,
                                             api::Bodies bodies) override;
  Result<std::uint64_t> replay(const directory::Context& context, const std::string& topic,
                               const std::string& subscription, UtcTime from) override;

 private:
  Result<void> may(const directory::Context& context, api::Bodies bodies) const;
  Result<void> note(const directory::Context& context, std::string operation, std::string text);
  Result<std::shared_ptr<events::DeadLetterDesk>> desk(Deadline deadline);
  Result<std::shared_ptr<events::Bus>> bus(Deadline deadline);

  EventService& service_;
  directory::Store& store_;
  const Clock& clock_;
};

}  // namespace chaveiro::app
