// events/handlers.h
//
// Which handler gets which event: by type ("key.created"), by the action behind the last dot of any type (".created"), or all that is
// left ("*"). The most specific wins.
//
// Threads: filled while starting, then read by any.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "events/inbox.h"

namespace chaveiro::events {

// What a handler did about the mark of its event.
enum class Effect : std::uint8_t {
  marked,  // stored it in the transaction of its effect (or found it there: AlreadyApplied)
  plain,   // has no effect that could be stored with it: the consumer marks, so that a crash may repeat the call
};

using Handler = std::function<Result<Effect>(const DomainEvent& event, const Mark& mark, Deadline deadline)>;

class Handlers {
 public:
  // Two for one pattern are a bug.
  Handlers& on(std::string pattern, Handler handler);
  // Null: nobody wants it; it counts as applied.
  const Handler* find(const std::string& event_type) const;

 private:
  std::map<std::string, Handler> handlers_;
};

}  // namespace chaveiro::events
