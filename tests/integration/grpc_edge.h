// tests/integration/grpc_edge.h
//
// The gRPC edge in this process, over the directory and the store in memory, on a free port; and a client to it. Everything
// that an edge needs from app/ is made here, small and visible: time is moved by hand, health is told, administration
// is played.
//
// Threads: the fixture belongs to the test's thread; the server has its own.
#pragma once

#include <dict/admin/v1/admin.grpc.pb.h>
#include <dict/core/v1/core.grpc.pb.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/grpc/server.h"
#include "base/guarded.h"
#include "base/log_sink.h"
#include "base/pool.h"
#include "clients/memory/store.h"

namespace chaveiro {

namespace common = ::dict::common::v1;
namespace core = ::dict::core::v1;
namespace admin = ::dict::admin::v1;

inline const std::string bank_a = "11111111";
inline const std::string bank_b = "22222222";
inline const std::string cpf_1 = "12345678909";
inline const std::string cpf_2 = "11144477735";

class LookupRecords final : public directory::LookupLog {
 public:
  Result<void> append(const directory::LookupRecord& record) override {
    records.lock()->push_back(record);
    return {};
  }
  Guarded<std::vector<directory::LookupRecord>> records;
};

class ToldHealth final : public api::HealthSource {
 public:
  api::Health health() const override { return *told.lock(); }
  Guarded<api::Health> told{api::Health{.ready = true, .components = {}}};
};

// What was looked up or written lies in memory; enough of a cache to reach the edge's short way.
class Memory final : public directory::EntryMemory {
 public:
  explicit Memory(directory::Store& store) : store_(store) {}
  std::optional<Shared> peek(const directory::Key& key, const directory::Digest&) override {
    return known_.with([&](const auto& known) -> std::optional<Shared> {
      const auto found = known.find(key);
      if (found == known.end()) return std::nullopt;
      return found->second;
    });
  }
  Result<Shared> get(const directory::Key& key, const directory::Digest&, Deadline deadline) override {
    TRY(const auto entry, store_.live_entry(key, deadline));
    if (!entry) return Shared();
    const auto shared = std::make_shared<const directory::Entry>(*entry);
    known_.with([&](auto& known) { known.insert_or_assign(key, shared); });
    return Shared(shared);
  }
  Shared foreign(const directory::Digest&) override { return nullptr; }
  void keep_foreign(const directory::Digest&, Shared, std::string_view, std::chrono::seconds) override {}
  void forget() { known_.lock()->clear(); }

 private:
  directory::Store& store_;
  Guarded<std::map<directory::Key, Shared>> known_;
};

// Administration that remembers what it was asked; only role admin may (operator for import and export).
class PlayedAdmin final : public api::AdminPort {
 public:
  using Context = directory::Context;
  Result<api::LogSettings> log_settings(const Context& context) override;
  Result<api::LogSettings> set_log(const Context& context, std::optional<std::string> level,
                                   std::optional<std::uint32_t> access_log_one_in) override;
  Result<void> revoke(const Context& context, const api::Revocation& revocation) override;
  Result<std::vector<api::Revocation>> revocations(const Context& context) override;
  Result<void> reload_keys(const Context& context) override;
  Result<api::BackupAnswer> backup(const Context& context, std::string_view name) override;
  Result<std::unique_ptr<api::ImportRun>> import(const Context& context, api::ImportFormat format) override;
  Result<std::uint64_t> export_entries(const Context& context, api::ImportFormat format,
                                       const std::function<bool(std::string_view)>& line) override;
  Result<api::AuditVerification> verify_audit(const Context& context, const std::vector<std::string>& anchors) override;
  Result<std::uint64_t> erase_person(const Context& context, std::string_view tax_id) override;
  Result<std::uint64_t> purge(const Context& context, UtcTime before) override;

  explicit PlayedAdmin(api::Revocations& revocations) : revocations_(revocations) {}
  std::uint64_t export_lines = 3;
  Guarded<std::string> imported;

 private:
  api::Revocations& revocations_;
  Guarded<api::LogSettings> settings_{api::LogSettings{"info", 100}};
};

// Limits that answer what they are told.
struct ToldLimits final : api::RateLimits {
  Guarded<api::RateAnswer> caller;
  api::RateAnswer ask_ip(std::string_view) override { return {}; }
  void count_ip(std::string_view) override {}
  api::RateAnswer ask_caller(const directory::Caller&, std::string_view) override { return *caller.lock(); }
};

// What a client learns from a failed call.
struct Refusal {
  ::grpc::StatusCode code = ::grpc::StatusCode::OK;
  std::string reason;
  std::string domain;
  std::string request_id;
  std::vector<std::string> fields;
  std::optional<google::rpc::ResourceInfo> resource;
  std::optional<google::rpc::RetryInfo> retry;
  bool quota = false;
  std::vector<std::string> quotas;  // subjects of QuotaFailure
};
Refusal refusal_of(const ::grpc::Status& status);

struct GrpcEdge : testing::Test {
  GrpcEdge();
  ~GrpcEdge() override;
  // Starts the server (again) with other options.
  void start(api::grpc::ServerOptions options = {});
  // A connection of its own to the server that runs, shared with no earlier channel.
  void connect();
  std::string address() const { return "127.0.0.1:" + std::to_string(server->port()); }

  std::string token(std::initializer_list<directory::Role> roles, const std::string& ispb = bank_a,
                    std::optional<std::vector<std::string>> accounts = std::nullopt);

  // Calls as this token from here on ("" none); further metadata goes with the next call only.
  void as(std::string its_token) { bearer_ = std::move(its_token); }
  void with(const std::string& name, const std::string& value) { extra_.emplace_back(name, value); }

  template <class Request, class Response>
  ::grpc::Status call(::grpc::Status (core::CoreDictService::Stub::*rpc)(::grpc::ClientContext*, const Request&,
                                                                         Response*),
                      const Request& request, Response& response) {
    ::grpc::ClientContext context;
    prepare(context);
    const ::grpc::Status status = ((*stub).*rpc)(&context, request, &response);
    remember(context);
    return status;
  }
  void prepare(::grpc::ClientContext& context);
  void remember(const ::grpc::ClientContext& context);

  std::string make_account(const std::string& tax_id, const std::string& number, const std::string& ispb = bank_a);
  // Makes the account, too.
  std::string make_key(common::KeyType type, const std::string& value, const std::string& tax_id = cpf_1,
                       const std::string& ispb = bank_a);

  ManualClock clock;
  MemorySink sink;
  Log log{clock, sink};
  Registry metrics;
  Secret installation{std::string_view("an installation's key of 32 bytes")};
  Secret jwt_secret{std::string_view("0123456789abcdef0123456789abcdef")};
  directory::Ispb first = directory::Ispb::parse(bank_a).value();
  directory::Ispb second = directory::Ispb::parse(bank_b).value();

  clients::memory::MemoryStore store{installation};
  Memory memory{store};
  directory::EmbeddedRegistry registry{clock};
  LookupRecords lookup_records;
  directory::Accounts accounts{store, clock, {}};
  directory::Entries entries{store, registry, clock, {}};
  directory::Claims claims{store, registry, clock, {}, {first, second}};
  directory::Lookups lookups{store, &memory, registry, lookup_records, clock, installation};
  directory::Directory directory{accounts, entries, claims, lookups, store};

  std::unique_ptr<api::Revocations> revocations = api::Revocations::open("", clock).value();
  api::Authenticator authenticator;
  ToldLimits limits;
  api::Chain chain;
  api::PageTokens page_tokens{installation, clock};
  api::Portabilities portabilities{directory, installation, clock};
  ToldHealth health;
  PlayedAdmin played_admin{*revocations};
  std::unique_ptr<Pool> pool;
  std::unique_ptr<api::grpc::Server> server;

  std::shared_ptr<::grpc::Channel> channel;
  std::unique_ptr<core::CoreDictService::Stub> stub;
  std::multimap<std::string, std::string> initial_metadata;  // of the last call

 private:
  std::string bearer_;
  std::vector<std::pair<std::string, std::string>> extra_;
};

}  // namespace chaveiro
