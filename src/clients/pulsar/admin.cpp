#include "clients/pulsar/admin.h"

#include <boost/json.hpp>

#include "net/http.h"

namespace chaveiro::clients::pulsar {
namespace {

namespace json = boost::json;

constexpr std::string_view scheme = "persistent://";
constexpr std::string_view partition_mark = "-partition-";

// "persistent://tenant/namespace/name" as a path. Errors: invalid.
Result<std::string> path_of(const std::string& topic) {
  const auto bad = [] { return fail_field("topic", "must look like persistent://tenant/namespace/name"); };
  if (!topic.starts_with(scheme)) return bad();
  const std::string rest = topic.substr(scheme.size());
  const std::size_t first = rest.find('/');
  const std::size_t second = first == std::string::npos ? first : rest.find('/', first + 1);
  if (second == std::string::npos || second + 1 == rest.size()) return bad();
  return "/admin/v2/persistent/" + rest.substr(0, second + 1) + net::percent_encode(rest.substr(second + 1));
}

Error error_of(const net::Response& response) {
  const std::string what =
      "the broker's administration answers " + std::to_string(response.status) + ": " + response.body.substr(0, 200);
  switch (response.status) {
    case 401:
      return fail(Code::unauthenticated, "Unauthenticated", what);
    case 403:
      return fail(Code::forbidden, "Forbidden", what);
    case 404:
      return fail(Code::not_found, "TopicNotFound", what);
    case 409:
      return fail(Code::conflict, "TopicExists", what);
    case 412:
      return fail(Code::conflict, "SubscriptionTaken", what);
    default:
      return fail(Code::unavailable, "BrokerUnavailable", what);
  }
}

Result<json::value> parse(const net::Response& response) {
  std::error_code failed;
  json::value value = json::parse(response.body, failed);
  if (failed) return fail(Code::corrupt, "ProtocolError", "the broker's administration answers no JSON");
  return value;
}

std::uint64_t number(const json::object& object, std::string_view name) {
  const json::value* const found = object.if_contains(name);
  if (found == nullptr) return 0;
  if (found->is_int64() && found->get_int64() > 0) return static_cast<std::uint64_t>(found->get_int64());
  return found->is_uint64() ? found->get_uint64() : 0;
}

}  // namespace

Result<std::unique_ptr<Admin>> Admin::make(AdminOptions options) {
  TRY(const net::Url url, net::parse_url(options.url));
  net::ClientOptions http_options;
  http_options.tls = options.tls;
  TRY(auto http, net::HttpClient::make(std::move(http_options)));
  return std::unique_ptr<Admin>(new Admin(std::move(options), url.origin, std::move(http)));
}

Result<net::Response> Admin::call(net::Method method, std::string target, std::string body, Deadline deadline) {
  net::Request request;
  request.method = method;
  request.target = std::move(target);
  if (!body.empty()) request.headers.add("Content-Type", "application/json");
  if (options_.token) request.headers.add("Authorization", "Bearer " + std::string(options_.token().expose()));
  request.body = std::move(body);
  TRY(net::Response response, http_->send(origin_, request, deadline));
  if (response.status >= 300) return error_of(response);
  return response;
}

Result<void> Admin::create_namespace(const std::string& name, Deadline deadline) {
  const auto is_there = [](const Result<net::Response>& made) { return made || made.error().reason == "TopicExists"; };
  const std::string tenant = name.substr(0, name.find('/'));
  TRY(const net::Response clusters, call(net::Method::get, "/admin/v2/clusters", {}, deadline));
  TRY(json::value all, parse(clusters));
  const json::object allowed{{"allowedClusters", std::move(all)}};
  const auto its_tenant = call(net::Method::put, "/admin/v2/tenants/" + tenant, json::serialize(allowed), deadline);
  if (!is_there(its_tenant)) return its_tenant.error();
  const auto made = call(net::Method::put, "/admin/v2/namespaces/" + name, {}, deadline);
  if (!is_there(made)) return made.error();
  return {};
}

Result<void> Admin::check(Deadline deadline) {
  TRY_VOID(call(net::Method::get, "/admin/v2/brokers/health", {}, deadline));
  return {};
}

Result<void> Admin::create_topic(const std::string& topic, std::uint32_t partitions, Deadline deadline) {
  TRY(const std::string path, path_of(topic));
  TRY_VOID(call(net::Method::put, path + "/partitions", std::to_string(partitions), deadline));
  return {};
}

Result<std::uint32_t> Admin::partitions(const std::string& topic, Deadline deadline) {
  TRY(const std::string path, path_of(topic));
  TRY(const net::Response response, call(net::Method::get, path + "/partitions", {}, deadline));
  TRY(const json::value value, parse(response));
  return value.is_object() ? static_cast<std::uint32_t>(number(value.get_object(), "partitions")) : 0;
}

Result<void> Admin::keep(const std::string& topic, const events::TopicOptions& options, Deadline deadline) {
  TRY(const std::string path, path_of(topic));
  if (options.backlog_bytes_max > 0) {
    const json::object quota{
        {"limitSize", options.backlog_bytes_max}, {"limitTime", -1}, {"policy", "producer_exception"}};
    TRY_VOID(call(net::Method::post, path + "/backlogQuota?backlogQuotaType=destination_storage",
                  json::serialize(quota), deadline));
  }
  const auto minutes = std::chrono::ceil<std::chrono::minutes>(options.retention_time).count();
  // The broker counts whole mebibytes and refuses fewer than the backlog that it allows; -1: no bound of its own.
  const bool bounded = options.backlog_bytes_max > 0 && options.retention_bytes > options.backlog_bytes_max;
  const std::int64_t mebibytes =
      bounded ? static_cast<std::int64_t>((options.retention_bytes + (1u << 20) - 1) >> 20) : -1;
  const json::object retention{{"retentionTimeInMinutes", minutes},
                               {"retentionSizeInMB", minutes == 0 ? 0 : mebibytes}};
  TRY_VOID(call(net::Method::post, path + "/retention", json::serialize(retention), deadline));
  return {};
}

Result<std::vector<std::string>> Admin::topics(const std::string& name_space, Deadline deadline) {
  std::vector<std::string> found;
  for (const char* kind : {"/partitioned", ""}) {
    TRY(const net::Response response,
        call(net::Method::get, "/admin/v2/persistent/" + name_space + kind, {}, deadline));
    TRY(const json::value value, parse(response));
    if (!value.is_array()) continue;
    for (const json::value& name : value.get_array()) {
      if (!name.is_string()) continue;
      std::string topic(name.get_string());
      if (topic.find(partition_mark) == std::string::npos) found.push_back(std::move(topic));
    }
  }
  return found;
}

Result<void> Admin::create_subscription(const std::string& topic, const std::string& name, Deadline deadline) {
  TRY(const std::string path, path_of(topic));
  const json::object earliest{{"ledgerId", -1}, {"entryId", -1}, {"partitionIndex", -1}};
  const auto made =
      call(net::Method::put, path + "/subscription/" + net::percent_encode(name), json::serialize(earliest), deadline);
  if (made || made.error().reason == "TopicExists") return {};
  return made.error();
}

Result<void> Admin::delete_subscription(const std::string& topic, const std::string& name, Deadline deadline) {
  TRY(const std::string path, path_of(topic));
  const auto done = call(net::Method::del, path + "/subscription/" + net::percent_encode(name), {}, deadline);
  if (done || done.error().code == Code::not_found) return {};
  return done.error();
}

Result<events::Lag> Admin::lag(const std::string& topic, const std::string& name, Deadline deadline) {
  TRY(const std::string path, path_of(topic));
  auto response =
      call(net::Method::get, path + "/partitioned-stats?perPartition=false&getPreciseBacklog=true", {}, deadline);
  if (!response && response.error().code == Code::not_found)
    response = call(net::Method::get, path + "/stats?getPreciseBacklog=true", {}, deadline);
  if (!response) return response.error();
  TRY(const json::value value, parse(*response));
  events::Lag lag;
  const json::value* const all = value.is_object() ? value.get_object().if_contains("subscriptions") : nullptr;
  const json::value* const its = all != nullptr && all->is_object() ? all->get_object().if_contains(name) : nullptr;
  if (its == nullptr || !its->is_object()) return lag;
  lag.messages = number(its->get_object(), "msgBacklog");
  lag.in_flight = number(its->get_object(), "unackedMessages");
  return lag;
}

}  // namespace chaveiro::clients::pulsar
