// clients/pulsar/admin.h
//
// What a broker's administration does for us, by HTTP: topics with their partitions and retention, subscriptions, how far they are
// behind.
//
// Threads: any.
// Errors:  not_found "TopicNotFound", conflict "TopicExists" and "SubscriptionTaken", forbidden, unauthenticated, unavailable, deadline.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/secret.h"
#include "events/bus.h"
#include "net/client.h"

namespace chaveiro::clients::pulsar {

struct AdminOptions {
  std::string url = "http://127.0.0.1:8080";
  std::function<Secret()> token;               // JWT; empty function: none
  std::shared_ptr<net::TlsClientContext> tls;  // of https; null: the system's authorities
};

class Admin {
 public:
  static Result<std::unique_ptr<Admin>> make(AdminOptions options);

  // "tenant/name", with its tenant. Repeat-safe.
  Result<void> create_namespace(const std::string& name, Deadline deadline);
  // Errors: conflict "TopicExists".
  Result<void> create_topic(const std::string& topic, std::uint32_t partitions, Deadline deadline);
  // 0: it has none, or is not there.
  Result<std::uint32_t> partitions(const std::string& topic, Deadline deadline);
  // Retention and backlog bound. Retention by size only where the backlog is bounded below it: the broker wants it so.
  Result<void> keep(const std::string& topic, const events::TopicOptions& options, Deadline deadline);
  // Of a namespace, "tenant/name".
  Result<std::vector<std::string>> topics(const std::string& name_space, Deadline deadline);
  // From the beginning of the topic. Repeat-safe.
  Result<void> create_subscription(const std::string& topic, const std::string& name, Deadline deadline);
  Result<void> delete_subscription(const std::string& topic, const std::string& name, Deadline deadline);
  // Whether the broker is well.
  Result<void> check(Deadline deadline);
  Result<events::Lag> lag(const std::string& topic, const std::string& name, Deadline deadline);

 private:
  Admin(AdminOptions options, net::Origin origin, std::unique_ptr<net::HttpClient> http)
      : options_(std::move(options)), origin_(std::move(origin)), http_(std::move(http)) {}
  Result<net::Response> call(net::Method method, std::string target, std::string body, Deadline deadline);

  const AdminOptions options_;
  const net::Origin origin_;
  const std::unique_ptr<net::HttpClient> http_;
};

}  // namespace chaveiro::clients::pulsar
