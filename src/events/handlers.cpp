#include "events/handlers.h"

#include "base/check.h"

namespace chaveiro::events {

Handlers& Handlers::on(std::string pattern, Handler handler) {
  CHECK(!pattern.empty());
  CHECK(handlers_.emplace(std::move(pattern), std::move(handler)).second);
  return *this;
}

const Handler* Handlers::find(const std::string& event_type) const {
  const auto look = [this](const std::string& pattern) -> const Handler* {
    const auto found = handlers_.find(pattern);
    return found == handlers_.end() ? nullptr : &found->second;
  };
  if (const Handler* const exact = look(event_type)) return exact;
  if (const std::size_t dot = event_type.rfind('.'); dot != std::string::npos)
    if (const Handler* const action = look(event_type.substr(dot))) return action;
  return look("*");
}

}  // namespace chaveiro::events
