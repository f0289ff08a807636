#include "api/rest/server.h"

#include <utility>

#include "api/rest/problem.h"
#include "api/rest/router.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/uuid.h"
#include "net/server.h"
#include "net/server_metrics.h"

namespace chaveiro::api::rest {
namespace {

void secure(net::Response& response, const Route* route, bool tls) {
  net::Headers& headers = response.headers;
  headers.add("X-Content-Type-Options", "nosniff");
  headers.add("X-Frame-Options", "DENY");
  headers.add("Referrer-Policy", "no-referrer");
  headers.add("Content-Security-Policy",
              "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
              "base-uri 'none'; "
              "form-action 'none'; frame-ancestors 'none'");
  headers.add("Cache-Control", route && !route->permission && !route->response ? "no-cache" : "no-store");
  if (tls) headers.add("Strict-Transport-Security", "max-age=31536000");
}

void show_rate(net::Response& response, const std::optional<RateAnswer>& rate) {
  if (!rate || rate->limit == 0) return;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(rate->reset_after).count();
  response.headers.add("X-RateLimit-Limit", std::to_string(rate->limit));
  response.headers.add("X-RateLimit-Remaining", std::to_string(rate->remaining));
  response.headers.add("X-RateLimit-Reset", std::to_string(seconds));
}

// Bodies beyond this are read by the pool, so that no caller keeps the I/O thread busy.
constexpr std::size_t body_bytes_at_once = 16 * 1024;

// One request on its way through the edge: what its handler needs, and the answer that is owed. It lives in one place from
// beginning to end: its parts point to one another.
class Request {
 public:
  Request(const Services& services, const Route& route, net::Request request, PathValues values,
          net::Responder responder, Call call)
      : services_(services),
        route_(route),
        request_(std::move(request)),
        values_(std::move(values)),
        responder_(std::move(responder)),
        call_(std::move(call)) {}

  // The chain has refused it, and has finished the call.
  void refuse() {
    request_.stream.reset();
    answer(call_.admitted().error());
  }

  // Before the pool: too much at once is refused here.
  Result<void> enter() { return call_.enter(); }

  // To be told with the other faults of form.
  void refuse_field(FieldViolation fault) { early_faults_.push_back(std::move(fault)); }

  // Whether a role of the caller has the route's permission. What it may touch is decided further in.
  bool permitted() {
    if (!route_.permission || directory::permits(call_.context().caller.roles, *route_.permission)) return true;
    finish(fail(Code::forbidden, "Forbidden", "none of your roles allows this"));
    return false;
  }

  const std::string& request_id() const { return call_.request_id(); }
  Deadline deadline() const { return call_.context().deadline; }
  bool answered() const { return answered_; }
  void fail_over() {
    if (!answered_) finish(fail(Code::internal, "", "a handler threw"));
  }

  // On the I/O thread. False: the pool must go on.
  bool try_at_once() {
    if (route_.work.on_io_thread) return finish(route_.work.handle(exchange())), true;
    if (!route_.work.at_once || request_.body.size() > body_bytes_at_once) return false;
    auto result = route_.work.at_once(exchange());
    if (!result) return false;
    finish(*result);
    return true;
  }

  // On the pool.
  void run(Turn turn) {
    if (turn == Turn::late) return finish(fail(Code::deadline, "", "the time ran out before the request was begun"));
    if (turn == Turn::stopped) return finish(fail(Code::unavailable, "", "the process is stopping"));
    if (route_.work.stream) return stream();
    finish(route_.work.handle(exchange()));
  }

  // Counted and logged before the answer leaves, so that whoever has the answer finds it there.
  void finish(const Result<Answer>& result) {
    end(result);
    answer(result);
  }

 private:
  // Reads the parameters and the body, once.
  Exchange& exchange() {
    if (exchange_) return *exchange_;
    in_.emplace(services_.fields, InputForm{&route_.parameters, route_.request}, request_, std::move(values_));
    for (FieldViolation& fault : early_faults_)
      in_->fields().refuse(std::move(fault.field), std::move(fault.description));
    return exchange_.emplace(Exchange{services_, call_, *in_, request_.stream.get()});
  }

  template <class T>
  void end(const Result<T>& result) {
    if (std::exchange(ended_, true)) return;
    result ? call_.finish() : call_.finish(result.error());
  }

  void answer(const Result<Answer>& result) {
    net::Response response;
    if (result) {
      response.status = result->status != 0 ? result->status : route_.success;
      response.headers.add("Content-Type", result->content_type);
      response.body = result->body;
    } else {
      response = problem(result.error(), {.instance = request_.path(), .correlation_id = call_.request_id()});
    }
    dress(response);
    answered_ = true;
    responder_.send(std::move(response));
  }

  void dress(net::Response& response) const {
    response.headers.add("X-Request-Id", call_.request_id());
    response.headers.add("traceparent", call_.trace().traceparent());
    show_rate(response, call_.rate());
    secure(response, &route_, request_.peer.tls);
  }

  // The head leaves with the first piece, so that what fails before it is an ordinary problem. What fails later cuts the
  // connection: the peer sees that the body is not whole.
  void stream() {
    std::optional<net::ResponseWriter> writer;
    Exchange& asked = exchange();
    const auto open = [&] {
      net::Response head;
      head.status = route_.success;
      head.headers.add("Content-Type",
                       asked.in.text("format") == "csv" ? "text/csv; charset=utf-8" : "application/x-ndjson");
      dress(head);
      answered_ = true;
      writer.emplace(responder_.stream(std::move(head)));
    };
    const auto written = route_.work.stream(asked, [&](std::string_view piece) {
      if (!writer) open();
      return static_cast<bool>(writer->write(piece, Deadline::in(std::chrono::seconds{30})));
    });
    if (!written && !writer) return finish(written.error());
    if (!writer) open();
    if (written) writer->finish();
    end(written);
  }

  const Services& services_;
  const Route& route_;
  net::Request request_;
  PathValues values_;
  net::Responder responder_;
  Call call_;
  std::vector<FieldViolation> early_faults_;
  std::optional<Input> in_;
  std::optional<Exchange> exchange_;
  bool ended_ = false;
  bool answered_ = false;
};

// What an exception leaves behind is a fault of ours; nothing here throws by design.
template <class Work>
void guarded(Request& request, Work work) {
  try {
    work();
  } catch (...) {
    request.fail_over();
  }
}

// X-Request-Timeout: a duration text.
Result<std::optional<Micros>> timeout_of(const net::Request& request) {
  const auto text = request.headers.find("X-Request-Timeout");
  if (!text) return std::optional<Micros>();
  auto duration = parse_duration(*text);
  if (!duration || *duration <= Micros{0})
    return fail_field("X-Request-Timeout", "must be a duration above zero such as 500ms, 2s or 1m");
  return std::optional<Micros>(*duration);
}

}  // namespace

struct Server::Impl {
  Impl(const ServerOptions& server_options, const Services& server_services)
      : options(server_options), services(server_services), router(routes()) {}

  // On an I/O thread, for every request.
  void serve(net::Request request, net::Responder responder) {
    Match match = find(request);
    if (!match.route) return responder.send(no_route(request, match));
    const Route& route = *match.route;
    auto timeout = timeout_of(request);
    Call call = services.chain.begin(head_of(request, route, timeout ? *timeout : std::nullopt));
    const bool admitted = static_cast<bool>(call.admitted());
    const auto work = std::make_shared<Request>(services, route, std::move(request), std::move(match.values),
                                                std::move(responder), std::move(call));
    if (!admitted) return work->refuse();
    const CorrelationScope scope(work->request_id());
    if (!timeout) work->refuse_field(timeout.error().violations.front());
    if (!work->permitted()) return;
    bool done = false;
    guarded(*work, [&] { done = work->try_at_once(); });
    if (done || work->answered()) return;
    const auto job = [work](Turn turn) { guarded(*work, [&] { work->run(turn); }); };
    if (auto entered = work->enter(); !entered) return work->finish(entered.error());
    if (auto taken = services.pool.submit(work->deadline(), job); !taken) work->finish(taken.error());
  }

  // On an I/O thread, before the body of a request is read.
  net::BodyPlan plan(const net::Request& head) {
    net::BodyPlan plan;
    const Match match = find(head);
    if (!match.route) {
      plan.refuse = no_route(head, match);
    } else if (match.route->work.upload) {
      plan.mode = net::BodyPlan::Mode::stream;
      plan.bytes_max = options.upload_bytes_max;
    }
    return plan;
  }

  Match find(const net::Request& request) const {
    Match match = router.find(request.method, request.path());
    if (match.route && !options.documentation && match.route->says.tag == "Documentation") return {};
    return match;
  }

  net::Response no_route(const net::Request& request, const Match& match) const {
    net::Response response;
    if (match.allow.empty()) {
      response = problem(HttpFault{404, "UnknownPath", "there is no such path; GET /api/v1/openapi.json lists all"},
                         {.instance = request.path().substr(0, 256)});
    } else if (request.method == net::Method::options) {
      response.status = 204;
    } else {
      response =
          problem(HttpFault{405, "MethodNotAllowed", "this path takes " + match.allow}, {.instance = request.path()});
    }
    if (!match.allow.empty()) response.headers.add("Allow", match.allow);
    secure(response, nullptr, request.peer.tls);
    return response;
  }

  RequestHead head_of(const net::Request& request, const Route& route, std::optional<Micros> timeout) const {
    return {.edge = Edge::rest,
            .operation = route.says.counted_as.empty() ? route.says.operation : route.says.counted_as,
            .access = route.permission ? Access::token : Access::open,
            .peer_ip = request.peer.address,
            .credentials = {.authorization = request.headers.get("Authorization"),
                            .api_key = request.headers.get("X-Api-Key"),
                            .requesting_participant = request.headers.get("PI-RequestingParticipant")},
            .request_id = request.headers.get("X-Request-Id"),
            .traceparent = request.headers.get("traceparent"),
            .tracestate = request.headers.get("tracestate"),
            .timeout = timeout,
            .long_limit =
                route.work.upload || route.work.stream ? std::optional<Micros>(std::chrono::hours{6}) : std::nullopt};
  }

  const ServerOptions options;
  const Services services;
  const Router router;
  std::unique_ptr<net::HttpServer> http;  // last: its threads use what stands above
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, const Services& services) {
  auto impl = std::make_unique<Impl>(options, services);
  openapi_document();  // made here, not by the first who asks
  net::ServerOptions http;
  http.address = options.address;
  http.port = options.port;
  http.connections_max = options.connections_max;
  http.body_bytes_max = options.body_bytes_max;
  http.tls = options.tls;
  if (options.metrics != nullptr) http.observer = net::counted(*options.metrics, "rest");
  http.body_plan = [edge = impl.get()](const net::Request& head) { return edge->plan(head); };
  http.problem = [](const net::Fault& fault) {
    net::Response response = problem(HttpFault{fault.status, fault.reason, fault.detail}, {});
    secure(response, nullptr, false);
    return response;
  };
  TRY(impl->http,
      net::HttpServer::start(std::move(http), [edge = impl.get()](net::Request request, net::Responder responder) {
        edge->serve(std::move(request), std::move(responder));
      }));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::uint16_t Server::port() const { return impl_->http->port(); }
bool Server::stop(Deadline deadline) { return impl_->http->stop(deadline); }

}  // namespace chaveiro::api::rest
