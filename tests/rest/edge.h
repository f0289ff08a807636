// tests/rest/edge.h
//
// The REST edge as a client meets it: a real server on a free port of this machine, over the store in memory, and a real client.
// Every answer is held against the OpenAPI document that the same server serves: what it does not describe fails the test.
//
// Threads: one test at a time; the server has its own.
// Time:    page tokens and tokens live by a clock that the test moves.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "api/rest/router.h"
#include "api/rest/server.h"
#include "base/log_sink.h"
#include "base/pool.h"
#include "clients/memory/store.h"
#include "net/client.h"
#include "tests/rest/openapi_checker.h"

namespace chaveiro::rest_test {

using namespace std::chrono_literals;
using directory::Role;
using net::Method;

// Takes every record, or none.
struct CountingLookupLog final : directory::LookupLog {
  std::atomic<int> records = 0;
  std::atomic<bool> full = false;
  Result<void> append(const directory::LookupRecord&) override {
    if (full) return fail(Code::exhausted, "LookupLogFull", "the look-up log is full");
    ++records;
    return {};
  }
};

// Entries that a test has put into memory.
class PreparedMemory final : public directory::EntryMemory {
 public:
  explicit PreparedMemory(directory::Store& store) : store_(store) {}
  void put(const directory::Entry& entry) {
    const std::lock_guard lock(mutex_);
    entries_.insert_or_assign(entry.key, entry);
  }
  std::optional<Shared> peek(const directory::Key& key, const directory::Digest&) override {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return std::nullopt;
    return std::make_shared<const directory::Entry>(found->second);
  }
  Result<Shared> get(const directory::Key& key, const directory::Digest&, Deadline deadline) override {
    TRY(const auto entry, store_.live_entry(key, deadline));
    return entry ? std::make_shared<const directory::Entry>(*entry) : nullptr;
  }
  Shared foreign(const directory::Digest&) override { return nullptr; }
  void keep_foreign(const directory::Digest&, Shared, std::string_view, std::chrono::seconds) override {}

 private:
  directory::Store& store_;
  std::mutex mutex_;
  std::map<directory::Key, directory::Entry> entries_;
};

struct PreparedHealth final : api::HealthSource {
  std::mutex mutex;
  api::Health said{true, {{"store", api::ComponentState::ok, ""}}};
  api::Health health() const override {
    const std::lock_guard lock(const_cast<std::mutex&>(mutex));
    return said;
  }
};

struct PreparedLimits final : api::RateLimits {
  std::mutex mutex;
  api::RateAnswer caller{true, 100, 99, 30s};
  api::RateAnswer ask_ip(std::string_view) override { return {}; }
  void count_ip(std::string_view) override {}
  api::RateAnswer ask_caller(const directory::Caller&, std::string_view) override {
    const std::lock_guard lock(mutex);
    return caller;
  }
};

struct Reply {
  int status = 0;
  net::Headers headers;
  std::string text;
  Json json;

  std::string field(std::string_view name) const {
    const Json* value = json.find(name);
    return value && value->text() ? *value->text() : "";
  }
  std::string reason() const {
    const std::string type = field("type");
    return type.substr(type.rfind(':') + 1);
  }
  std::vector<std::string> faulty() const {
    std::vector<std::string> names;
    if (const Json* violations = json.find("violations"))
      for (const Json& violation : *violations->list()) names.push_back(*violation.find("property")->text());
    return names;
  }
  std::size_t items(std::string_view name) const {
    const Json* value = json.find(name);
    return value && value->list() ? value->list()->size() : 0;
  }
};

struct Ask {
  Method method = Method::get;
  std::string path;
  std::string body = {};
  std::string token = {};  // "": none
  std::vector<std::pair<std::string, std::string>> headers = {};
};

class RestTest : public testing::Test {
 protected:
  static inline const Secret secret{"0123456789abcdef0123456789abcdef"};
  static inline const directory::Ispb ours = directory::Ispb::parse("12345678").value();
  static inline const directory::Ispb second = directory::Ispb::parse("87654321").value();

  RestTest() {
    auto started = api::rest::Server::start({.port = 0}, services());
    server = std::move(started).value();
    client = net::HttpClient::make({}).value();
  }
  ~RestTest() override {
    pool.drain(Deadline::in(5s));
    server.reset();
  }

  api::rest::Services services() {
    return {.chain = chain,
            .directory = all,
            .portabilities = portabilities,
            .page_tokens = page_tokens,
            .pool = pool,
            .health = health,
            .fields = {},
            .clock = clock};
  }

  std::string token(directory::Roles roles, directory::Ispb ispb = ours,
                    std::optional<std::vector<directory::AccountId>> his = {}) {
    return api::issue_token({"joana", ispb, roles, std::move(his), "", "", 240h}, secret, clock.now()).value();
  }
  std::string operator_token() { return token({Role::operator_}); }

  net::Origin origin() const { return {.host = "127.0.0.1", .port = server->port()}; }

  Reply call(const Ask& ask) {
    net::Request request;
    request.method = ask.method;
    request.target = ask.path;
    request.body = ask.body;
    if (!ask.body.empty()) request.headers.add("Content-Type", "application/json");
    if (!ask.token.empty()) request.headers.add("Authorization", "Bearer " + ask.token);
    for (const auto& [name, value] : ask.headers) request.headers.set(name, value);
    auto sent = client->send(origin(), request, Deadline::in(20s));
    EXPECT_TRUE(sent) << ask.path << ": " << (sent ? "" : sent.error().message);
    if (!sent) return {};
    Reply reply{sent->status, sent->headers, sent->body, {}};
    if (auto json = api::rest::parse_json(reply.text, {.depth_max = 40, .values_max = 200'000}))
      reply.json = std::move(*json);
    hold_against_document(ask, reply);
    return reply;
  }
  Reply post(const std::string& path, const std::string& body, const std::string& with = {}) {
    return call({.method = Method::post, .path = path, .body = body, .token = with.empty() ? operator_token() : with});
  }
  Reply get(const std::string& path, const std::string& with = {}) {
    return call({.path = path, .token = with.empty() ? operator_token() : with});
  }

  // What the answer is must stand in the document, and the answer must be it.
  void hold_against_document(const Ask& ask, const Reply& reply) {
    EXPECT_TRUE(reply.headers.find("X-Content-Type-Options")) << ask.path;
    static const OpenApi document{api::rest::openapi_document()};
    if (reply.headers.get("Content-Type") == "application/problem+json") {
      EXPECT_THAT(document.faults(reply.json, document.at({"components", "schemas", "Problem"})), testing::IsEmpty())
          << reply.text;
      EXPECT_EQ(*reply.json.find("status")->integer(), reply.status);
      return;
    }
    const std::string path = ask.path.substr(0, ask.path.find('?'));
    static const api::rest::Router router(api::rest::routes());
    const auto match = router.find(ask.method, path);
    if (!match.route || !match.route->response || ask.method == Method::head) return;
    const Json& schema = document.at({"paths", match.route->path, lower(ask.method), "responses",
                                      std::to_string(reply.status), "content", "application/json", "schema"});
    EXPECT_FALSE(schema.is_null()) << path << " answers " << reply.status
                                   << ", which the document does not know: " << reply.text;
    EXPECT_THAT(document.faults(reply.json, schema), testing::IsEmpty()) << path << "\n" << reply.text;
  }
  static std::string lower(Method method) {
    std::string text(to_string(method));
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  }

  // Things that tests need before they begin.
  Reply make_account(const std::string& number, const std::string& tax_id = "12345678909",
                     const std::string& with = {}) {
    return post("/api/v1/accounts", account_body(number, tax_id), with);
  }
  static std::string account_body(const std::string& number, const std::string& tax_id) {
    const bool natural = tax_id.size() == 11;
    return R"({"branch":"0001","number":")" + number +
           R"(","type":"CACC","opening_date":"2020-01-10T03:00:00Z","owner":{"type":")" +
           (natural ? "NATURAL_PERSON" : "LEGAL_PERSON") + R"(","tax_id":")" + tax_id + R"(","name":"Maria Silva"}})";
  }
  Reply make_entry(const std::string& type, const std::string& key, const std::string& account_id,
                   const std::string& with = {}) {
    return post("/api/v1/entries",
                R"({"key_type":")" + type + R"(","key":")" + key + R"(","account_id":")" + account_id + "\"}", with);
  }

  ManualClock clock;
  MemorySink sink;
  Log log{clock, sink};
  Registry metrics;
  clients::memory::MemoryStore store{secret};
  directory::EmbeddedRegistry registry{clock};
  CountingLookupLog lookup_log;
  PreparedMemory memory{store};
  directory::Accounts accounts{store, clock, {}};
  directory::Entries entries{store, registry, clock, {}};
  directory::Claims claims{store, registry, clock, {}, {ours, second}};
  directory::Lookups lookups{store, &memory, registry, lookup_log, clock, secret};
  directory::Directory all{accounts, entries, claims, lookups, store};
  api::Portabilities portabilities{all, secret, clock};
  api::PageTokens page_tokens{secret, clock};
  std::unique_ptr<api::Revocations> revocations = api::Revocations::open("", clock).value();
  api::Authenticator authenticator{
      {.hs256_secret = secret,
       .api_keys = {{"lb-connect", Secret("lb-key-0123456789"), *api::api_key_roles("lb-connect")}},
       .served = {ours, second}},
      clock,
      *revocations};
  PreparedLimits limits;
  api::Chain chain{{}, authenticator, &limits, clock, log.logger("api"), metrics};
  Pool pool{{.workers = 4}, clock, log.logger("pool"), metrics};
  PreparedHealth health;
  std::unique_ptr<api::rest::Server> server;
  std::unique_ptr<net::HttpClient> client;
};

}  // namespace chaveiro::rest_test
