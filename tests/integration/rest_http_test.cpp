// What HTTP itself asks of the edge: who may, methods, headers, health, documentation.
#include "api/rest/metrics_server.h"
#include "tests/rest/edge.h"

namespace chaveiro::rest_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RestHttp : public RestTest {};

TEST_F(RestHttp, an_unknown_path_and_a_wrong_method_say_what_there_is) {
  const Reply nowhere = get("/api/v1/nothing");
  EXPECT_EQ(nowhere.status, 404);
  EXPECT_EQ(nowhere.reason(), "UnknownPath");
  const Reply wrong = call({.method = Method::del, .path = "/api/v1/entries"});
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.get("Allow"), "POST, GET, HEAD, OPTIONS");
  const Reply options = call({.method = Method::options, .path = "/api/v1/lookups"});
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.get("Allow"), "POST, OPTIONS");
  EXPECT_FALSE(options.headers.find("Access-Control-Allow-Origin"));
}

TEST_F(RestHttp, head_answers_like_get_without_a_body) {
  const Reply head = call({.method = Method::head, .path = "/api/v1/entries", .token = operator_token()});
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.text, "");
}

TEST_F(RestHttp, nobody_comes_in_without_a_token) {
  const Reply none = call({.path = "/api/v1/entries"});
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(none.headers.get("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(call({.path = "/api/v1/entries", .token = "a.b.c"}).reason(), "TokenInvalid");
  const std::string late = operator_token();
  clock.advance(241h);
  EXPECT_EQ(get("/api/v1/entries", late).reason(), "TokenExpired");
  const Reply by_key = call({.path = "/api/v1/entries", .headers = {{"X-Api-Key", "lb-key-0123456789"}}});
  EXPECT_EQ(by_key.status, 200) << by_key.text;
  EXPECT_EQ(call({.path = "/api/v1/entries", .headers = {{"X-Api-Key", "wrong"}}}).reason(), "ApiKeyInvalid");
}

// Each route under each role: those that the document names come in, the others are told Forbidden.
TEST_F(RestHttp, the_roles_of_the_document_are_those_that_come_in) {
  const std::string id = "019a1b2c-3d4e-7f50-8a6b-7c8d9e0f1a2b";
  for (const api::rest::Route& route : api::rest::routes()) {
    if (!route.permission) continue;
    std::string path(route.path);
    if (const auto at = path.find("{id}"); at != std::string::npos) path.replace(at, 4, id);
    for (const Role role : {Role::user, Role::operator_, Role::auditor, Role::admin}) {
      // A body that is wrong in form: whoever comes in is told so, and nothing happens.
      const Reply reply = call({.method = route.method, .path = path + "?no_such_parameter=1", .token = token({role})});
      EXPECT_EQ(reply.status, directory::permits({role}, *route.permission) ? 400 : 403)
          << route.says.operation << " as " << directory::to_string(role) << ": " << reply.text;
    }
  }
}

TEST_F(RestHttp, a_user_touches_only_what_is_his) {
  const auto mine = directory::AccountId::parse(make_account("0000000001").field("id")).value();
  const std::string other = make_account("0000000002", "11144477735").field("id");
  const std::string user = token({Role::user}, ours, std::vector{mine});
  EXPECT_EQ(make_entry("EMAIL", "a@b.com", to_string(mine), user).status, 201);
  EXPECT_EQ(make_entry("EMAIL", "c@b.com", other, user).status, 403);
  EXPECT_EQ(get("/api/v1/accounts/" + other, user).status, 403);
  make_entry("EMAIL", "c@b.com", other);
  EXPECT_EQ(get("/api/v1/entries", user).items("entries"), 1u);
  EXPECT_EQ(get("/api/v1/entries").items("entries"), 2u);
  EXPECT_EQ(get("/api/v1/entries", token({Role::operator_}, second)).items("entries"), 0u);
}

TEST_F(RestHttp, the_trace_is_taken_over_and_named_in_every_answer_and_in_the_log) {
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const auto ask = [&](const std::string& path, const std::string& its) {
    return call({.path = path, .token = operator_token(), .headers = {{"traceparent", its}}});
  };
  EXPECT_EQ(ask("/api/v1/entries", trace).headers.get("traceparent"), trace);
  EXPECT_EQ(ask("/api/v1/entries/x", trace).headers.get("traceparent"), trace) << "in a problem, too";
  EXPECT_TRUE(sink.contains("\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\""));
  const std::string fresh(ask("/api/v1/entries", "00-zz").headers.get("traceparent"));
  EXPECT_TRUE(TraceContext::parse(fresh)) << fresh;
  EXPECT_NE(fresh, get("/api/v1/entries").headers.get("traceparent")) << "each has its own";
}

TEST_F(RestHttp, the_request_id_is_taken_over_and_stands_in_the_problem) {
  const Reply reply =
      call({.path = "/api/v1/entries/x", .token = operator_token(), .headers = {{"X-Request-Id", "order-7"}}});
  EXPECT_EQ(reply.headers.get("X-Request-Id"), "order-7");
  EXPECT_EQ(reply.field("correlation_id"), "order-7");
  EXPECT_EQ(reply.field("instance"), "/api/v1/entries/x");
  EXPECT_THAT(reply.faulty(), ElementsAre("id"));
  EXPECT_EQ(std::string(get("/api/v1/entries").headers.get("X-Request-Id")).size(), 36u);
}

TEST_F(RestHttp, the_caller_says_how_long_it_waits) {
  const auto within = [&](const std::string& text) {
    return call({.path = "/api/v1/entries", .token = operator_token(), .headers = {{"X-Request-Timeout", text}}});
  };
  EXPECT_EQ(within("2s").status, 200);
  for (const std::string bad : {"2", "-1s", "0s", "soon", "99999999999999999999s"})
    EXPECT_THAT(within(bad).faulty(), ElementsAre("X-Request-Timeout")) << bad;
  const Reply expired = within("1us");
  EXPECT_EQ(expired.status, 504) << expired.text;
}

TEST_F(RestHttp, limits_are_shown_and_a_refusal_says_how_long_to_wait) {
  const Reply allowed = get("/api/v1/entries");
  EXPECT_EQ(allowed.headers.get("X-RateLimit-Limit"), "100");
  EXPECT_EQ(allowed.headers.get("X-RateLimit-Remaining"), "99");
  EXPECT_EQ(allowed.headers.get("X-RateLimit-Reset"), "30");
  {
    const std::lock_guard lock(limits.mutex);
    limits.caller = {false, 100, 0, 1500ms};
  }
  const Reply refused = get("/api/v1/entries");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.get("Retry-After"), "2");
  EXPECT_EQ(refused.headers.get("X-RateLimit-Remaining"), "0");
}

TEST_F(RestHttp, answers_are_not_kept_and_not_framed) {
  const Reply reply = get("/api/v1/entries");
  EXPECT_EQ(reply.headers.get("Cache-Control"), "no-store");
  EXPECT_EQ(reply.headers.get("X-Frame-Options"), "DENY");
  EXPECT_THAT(std::string(reply.headers.get("Content-Security-Policy")), HasSubstr("default-src 'none'"));
}

TEST_F(RestHttp, health_is_open_and_readiness_follows_store_and_audit) {
  EXPECT_EQ(call({.path = "/health"}).field("status"), "ok");
  EXPECT_EQ(call({.path = "/live"}).status, 200);
  {
    const std::lock_guard lock(health.mutex);
    health.said.components.push_back({"registry", api::ComponentState::down, "no answer"});
  }
  const Reply degraded = call({.path = "/ready"});
  EXPECT_EQ(degraded.status, 200);
  EXPECT_EQ(degraded.field("status"), "degraded");
  {
    const std::lock_guard lock(health.mutex);
    health.said.ready = false;
  }
  EXPECT_EQ(call({.path = "/ready"}).status, 503);
  EXPECT_EQ(call({.path = "/health"}).field("status"), "down");
  EXPECT_EQ(call({.path = "/live"}).status, 200);
}

TEST_F(RestHttp, the_document_and_its_page_are_open_and_need_no_other_host) {
  const Reply document = call({.path = "/api/v1/openapi.json"});
  EXPECT_EQ(document.text, api::rest::openapi_document());
  const Reply page = call({.path = "/"});
  EXPECT_EQ(page.headers.get("Content-Type"), "text/html; charset=utf-8");
  for (const char* path : {"/", "/docs/page.css", "/docs/page.js"}) {
    const Reply part = call({.path = path});
    EXPECT_EQ(part.status, 200);
    EXPECT_THAT(part.text, testing::Not(testing::AnyOf(HasSubstr("http://"), HasSubstr("https://")))) << path;
  }
}

TEST_F(RestHttp, administration_is_not_there_where_the_process_has_none) {
  EXPECT_EQ(get("/api/v1/admin/log", token({Role::admin})).status, 404);
}

TEST_F(RestHttp, metrics_stand_on_a_port_of_their_own) {
  get("/api/v1/entries");
  auto listener = api::rest::MetricsServer::start({.port = 0}, metrics).value();
  const auto ask = [&](Method method, std::string path) {
    net::Request request;
    request.method = method;
    request.target = std::move(path);
    return client->send({.host = "127.0.0.1", .port = listener->port()}, request, Deadline::in(5s)).value();
  };
  const net::Response shown = ask(Method::get, "/metrics");
  EXPECT_THAT(std::string(shown.headers.get("Content-Type")), HasSubstr("version=0.0.4"));
  EXPECT_THAT(shown.body, HasSubstr("dict_requests_total{"));
  EXPECT_EQ(ask(Method::get, "/").status, 404);
  EXPECT_EQ(ask(Method::post, "/metrics").status, 405);
  EXPECT_EQ(call({.path = "/metrics"}).status, 404);
}

}  // namespace
}  // namespace chaveiro::rest_test
