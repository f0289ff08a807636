// api/health.h
//
// What /health, /ready, /live, HealthCheck and the standard gRPC health service answer from.
//
// Store and audit decide readiness; every other neighbour only shows as degraded. A process that drains is live and not
// ready.
//
// Threads: any number at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace chaveiro::api {

enum class ComponentState : std::uint8_t { ok = 1, degraded, down };

struct Component {
  std::string name;  // "store", "audit", "cache", "registry", …
  ComponentState state = ComponentState::ok;
  std::string message;  // for people; no addresses with passwords, no personal data
};

struct Health {
  bool ready = false;
  std::vector<Component> components;
};

class HealthSource {
 public:
  virtual ~HealthSource() = default;
  // Answers from what was found out last (at most a few seconds ago): quick, never waits for a neighbour.
  virtual Health health() const = 0;
};

}  // namespace chaveiro::api
