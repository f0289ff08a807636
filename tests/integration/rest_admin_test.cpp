// Administration through the wire: the port behind it is the test's own.
#include "tests/rest/edge.h"

namespace chaveiro::rest_test {
namespace {

using directory::Context;
using testing::ElementsAre;
using testing::HasSubstr;

class ImportOfLines final : public api::ImportRun {
 public:
  Result<api::ImportProgress> feed(std::string_view piece) override {
    api::ImportProgress progress;
    for (const char c : piece) {
      line_ += c;
      if (c == '\n') end_line(progress);
    }
    return with_counts(std::move(progress));
  }
  Result<api::ImportProgress> finish() override { return with_counts({}); }

 private:
  void end_line(api::ImportProgress& progress) {
    ++lines_;
    line_.find("bad") == std::string::npos ? static_cast<void>(++imported_)
                                           : progress.faults.push_back({lines_, "key", "is not a key"});
    line_.clear();
  }
  api::ImportProgress with_counts(api::ImportProgress progress) const {
    progress.lines = lines_;
    progress.imported = imported_;
    return progress;
  }
  std::string line_;
  std::uint64_t lines_ = 0;
  std::uint64_t imported_ = 0;
};

class PortOfTest final : public api::AdminPort {
 public:
  api::LogSettings settings{"info", 100};
  std::vector<api::Revocation> revoked;
  int lines_to_export = 3;
  bool fails_half_way = false;

  Result<api::LogSettings> log_settings(const Context&) override { return settings; }
  Result<api::LogSettings> set_log(const Context&, std::optional<std::string> level,
                                   std::optional<std::uint32_t> one_in) override {
    if (level && *level == "loud") return fail_field("level", "must be trace, debug, info, warn or error");
    if (level) settings.level = *level;
    if (one_in) settings.access_log_one_in = *one_in;
    return settings;
  }
  Result<void> revoke(const Context&, const api::Revocation& revocation) override {
    return revoked.push_back(revocation), Result<void>();
  }
  Result<std::vector<api::Revocation>> revocations(const Context&) override { return revoked; }
  Result<void> reload_keys(const Context&) override {
    return fail(Code::invalid, "JwksInvalid", "the file holds no keys");
  }
  Result<api::BackupAnswer> backup(const Context&, std::string_view name) override {
    return api::BackupAnswer{"/data/" + std::string(name), 4096};
  }
  Result<std::unique_ptr<api::ImportRun>> import(const Context&, api::ImportFormat) override {
    return std::unique_ptr<api::ImportRun>(new ImportOfLines);
  }
  Result<std::uint64_t> export_entries(const Context&, api::ImportFormat format,
                                       const std::function<bool(std::string_view)>& line) override {
    if (lines_to_export < 0) return fail(Code::unavailable, "", "the store is away");
    for (int i = 0; i < lines_to_export; ++i) {
      if (!line((format == api::ImportFormat::csv ? "csv," : "line ") + std::to_string(i))) return 0;
      if (fails_half_way) return fail(Code::unavailable, "", "the store went away");
    }
    return 3;
  }
  Result<api::AuditVerification> verify_audit(const Context&, const std::vector<std::string>& anchors) override {
    return api::AuditVerification{7, {{"changes", "cut", "memory", 202601, 7, "the end is missing"}}, anchors};
  }
  Result<std::uint64_t> erase_person(const Context&, std::string_view) override { return 2; }
  Result<std::uint64_t> purge(const Context&, UtcTime) override { return 5; }
};

// The server takes the port when the base is made, so that it must stand before.
struct HoldsPort {
  PortOfTest port;
};

class RestAdmin : public HoldsPort, public RestTest {
 protected:
  RestAdmin() {
    server.reset();
    server = api::rest::Server::start({.port = 0}, with_port()).value();
  }
  api::rest::Services with_port() {
    return {.chain = chain,
            .directory = all,
            .portabilities = portabilities,
            .page_tokens = page_tokens,
            .pool = pool,
            .health = health,
            .admin = &port,
            .fields = {},
            .clock = clock};
  }
  const std::string boss = token({Role::admin});
};

TEST_F(RestAdmin, the_log_is_read_and_changed) {
  EXPECT_EQ(get("/api/v1/admin/log", boss).text, R"({"level":"info","access_log_one_in":100})");
  const auto patch = [&](const std::string& body) {
    return call({.method = Method::patch, .path = "/api/v1/admin/log", .body = body, .token = boss});
  };
  EXPECT_EQ(patch(R"({"level":"debug"})").text, R"({"level":"debug","access_log_one_in":100})");
  EXPECT_THAT(patch(R"({"access_log_one_in":-1})").faulty(), ElementsAre("access_log_one_in"));
  EXPECT_THAT(patch(R"({"level":"loud"})").faulty(), ElementsAre("level"));
}

TEST_F(RestAdmin, a_revocation_says_who_and_when) {
  EXPECT_EQ(post("/api/v1/admin/revocations", R"({"kind":"kid","value":"2026-01"})", boss).status, 200);
  ASSERT_EQ(port.revoked.size(), 1u);
  EXPECT_EQ(port.revoked[0].by, "joana");
  EXPECT_EQ(port.revoked[0].at, clock.now());
  EXPECT_EQ(get("/api/v1/admin/revocations", boss).items("revocations"), 1u);
  EXPECT_THAT(post("/api/v1/admin/revocations", R"({"kind":"all","value":""})", boss).faulty(),
              testing::UnorderedElementsAre("kind", "value"));
}

TEST_F(RestAdmin, keys_backup_audit_and_retention_reach_the_port) {
  EXPECT_EQ(post("/api/v1/admin/keys/reload", "", boss).reason(), "JwksInvalid");
  EXPECT_EQ(post("/api/v1/admin/backups", R"({"name":"before"})", boss).field("file"), "/data/before");
  const Reply verified = post("/api/v1/admin/audit/verify", R"({"anchors":["line"]})", token({Role::auditor}));
  EXPECT_EQ(verified.items("faults"), 1u);
  EXPECT_EQ(verified.items("anchors"), 1u);
  EXPECT_EQ(post("/api/v1/admin/persons/erase", R"({"tax_id":"12345678909"})", boss).text, R"({"rows":2})");
  EXPECT_THAT(post("/api/v1/admin/persons/erase", R"({"tax_id":"1"})", boss).faulty(), ElementsAre("tax_id"));
  EXPECT_EQ(post("/api/v1/admin/purge", R"({"before":"2020-01-01T00:00:00Z"})", boss).text, R"({"rows":5})");
}

TEST_F(RestAdmin, an_import_streams_in_and_tells_its_faults) {
  std::string file;
  for (int i = 0; i < 50'000; ++i)
    file += i % 25'000 == 7 ? "bad line\n" : "a line that is good and long enough to need many pieces\n";
  const Reply reply = call({.method = Method::post,
                            .path = "/api/v1/admin/import?format=ndjson",
                            .body = file,
                            .token = operator_token(),
                            .headers = {{"Content-Type", "application/x-ndjson"}}});
  ASSERT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(*reply.json.find("lines")->integer(), 50'000);
  EXPECT_EQ(*reply.json.find("imported")->integer(), 49'998);
  EXPECT_EQ(reply.items("faults"), 2u);
  EXPECT_EQ(
      call({.method = Method::post, .path = "/api/v1/admin/import", .body = file, .token = token({Role::user})}).status,
      403);
  EXPECT_THAT(
      call({.method = Method::post, .path = "/api/v1/admin/import?format=xml", .body = "x", .token = boss}).faulty(),
      ElementsAre("format"));
}

TEST_F(RestAdmin, an_export_streams_out) {
  const Reply lines = get("/api/v1/admin/export");
  EXPECT_EQ(lines.status, 200);
  EXPECT_EQ(lines.text, "line 0\nline 1\nline 2\n");
  EXPECT_EQ(get("/api/v1/admin/export?format=csv").headers.get("Content-Type"), "text/csv; charset=utf-8");
  port.lines_to_export = 0;
  EXPECT_EQ(get("/api/v1/admin/export").text, "");
  port.lines_to_export = -1;
  EXPECT_EQ(get("/api/v1/admin/export").status, 503);
}

TEST_F(RestAdmin, an_export_that_breaks_is_seen_to_be_broken) {
  port.fails_half_way = true;
  net::Request request;
  request.target = "/api/v1/admin/export";
  request.headers.add("Authorization", "Bearer " + operator_token());
  EXPECT_FALSE(client->send(origin(), request, Deadline::in(5s)));
}

}  // namespace
}  // namespace chaveiro::rest_test
