#include "api/chain.h"

#include <algorithm>
#include <unordered_map>

#include "api/status.h"
#include "base/uuid.h"

namespace chaveiro::api {
namespace {

constexpr std::size_t request_id_bytes_max = 128;

bool usable_request_id(std::string_view text) {
  return !text.empty() && text.size() <= request_id_bytes_max && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("._-:/+=").find(c) != std::string_view::npos;
  });
}

std::optional<TraceContext> trace_of(const RequestHead& head) {
  if (head.traceparent.empty()) return std::nullopt;
  auto given = TraceContext::parse(head.traceparent, head.tracestate);
  return given ? std::optional<TraceContext>(*std::move(given)) : std::nullopt;
}

}  // namespace

std::string_view to_string(Edge edge) { return edge == Edge::grpc ? "grpc" : "rest"; }

namespace {

struct Operation {
  std::string_view name;
  bool writes;
};
constexpr Operation operations[] = {
    {"CreateKey", true},
    {"ListKeys", false},
    {"GetKey", false},
    {"UpdateKey", true},
    {"DeleteKey", true},
    {"BlockKey", true},
    {"UnblockKey", true},
    {"StartClaim", true},
    {"GetClaimStatus", false},
    {"ListIncomingClaims", false},
    {"ListOutgoingClaims", false},
    {"AcknowledgeClaim", true},
    {"RespondToClaim", true},
    {"ConfirmClaim", true},
    {"CancelClaim", true},
    {"CompleteClaim", true},
    {"StartPortability", false},
    {"ConfirmPortability", true},
    {"CancelPortability", true},
    {"LookupKey", false},
    {"LookupKeys", false},
    {"ReportPaymentOrder", true},
    {"CreateAccount", true},
    {"GetAccount", false},
    {"ListAccounts", false},
    {"CloseAccount", true},
    {"VerifyAccount", false},
    {"GetStatistics", false},
    {"ListAuditEvents", false},
    {"HealthCheck", false},
    {"GetLog", false},
    {"SetLog", true},
    {"Revoke", true},
    {"ListRevocations", false},
    {"ReloadKeys", true},
    {"Backup", true},
    {"Import", true},
    {"Export", false},
    {"VerifyAudit", false},
    {"ErasePerson", true},
    {"Purge", true},
    {"GetCacheStats", false},
    {"GetCached", false},
    {"ExplainCached", false},
    {"InvalidateCached", true},
    {"WarmCache", false},
    {"NameCacheKey", false},
    {"ShowLimits", false},
    {"ForecastLimits", false},
    {"ResetLimit", true},
    {"ReloadLimits", true},
    {"ListDeadLetters", false},
    {"GetDeadLetter", false},
    {"ReplayDeadLetters", true},
    {"DiscardDeadLetters", true},
    {"TailEvents", false},
    {"ReplayEvents", true},
    {"Other", false},
};

// Whether the time that a call took says something about the load behind it.
bool tells_of_load(const Error& failed) {
  return failed.code == Code::not_found || failed.code == Code::exists || failed.code == Code::conflict ||
         failed.code == Code::deadline || failed.code == Code::unavailable;
}

}  // namespace

const std::vector<std::string>& operation_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Operation& operation : operations) all.emplace_back(operation.name);
    return all;
  }();
  return names;
}

struct Chain::Impl {
  // What one operation counts into on one edge.
  struct Series {
    Counter* succeeded;
    Histogram* took;
    AdaptiveLimit* places;
  };
  using ByOperation = std::unordered_map<std::string_view, Series>;

  Impl(ChainOptions its_options, Authenticator& its_authenticator, RateLimits* its_rates, const Clock& its_clock,
       Logger its_log, Registry& its_metrics)
      : options(its_options),
        authenticator(its_authenticator),
        rates(its_rates),
        clock(its_clock),
        log(std::move(its_log)),
        metrics(its_metrics),
        reads(options.reads, clock),
        writes(options.writes, clock),
        grpc(series(Edge::grpc)),
        rest(series(Edge::rest)) {}

  Counter& ended(Edge edge, std::string_view operation, std::string_view code) {
    return metrics.counter(
        "dict_requests_total", "Requests that were answered, by the code of the answer.",
        {{"edge", std::string(to_string(edge))}, {"operation", std::string(operation)}, {"code", std::string(code)}});
  }
  ByOperation series(Edge edge) {
    ByOperation all;
    for (const auto& [name, is_write] : operations)
      all.emplace(name,
                  Series{&ended(edge, name, "ok"),
                         &metrics.histogram("dict_request_duration_seconds", "Time from head to answer.",
                                            {{"edge", std::string(to_string(edge))}, {"operation", std::string(name)}}),
                         is_write ? &writes : &reads});
    return all;
  }
  // An operation that is not in the list is a bug; in release it counts as "Other" rather than making labels.
  const ByOperation::value_type& of(Edge edge, std::string_view operation) const {
    const ByOperation& all = edge == Edge::grpc ? grpc : rest;
    const auto found = all.find(operation);
    return found != all.end() ? *found : *all.find("Other");
  }

  Result<void> admit(const RequestHead& head, Call::State& call);

  const ChainOptions options;
  Authenticator& authenticator;
  RateLimits* const rates;
  const Clock& clock;
  const Logger log;
  Registry& metrics;
  AdaptiveLimit reads;
  AdaptiveLimit writes;
  const ByOperation grpc;
  const ByOperation rest;
};

struct Call::State {
  Chain::Impl* chain;
  Edge edge;
  std::string_view operation;
  Chain::Impl::Series series;
  SteadyTime begun;
  std::string peer_ip;
  const PeerName* peer;
  std::optional<TraceContext> given_trace;  // absent: none came, or nobody has asked for ours yet
  directory::Context context;
  Result<void> admitted;
  std::optional<directory::RequestId> sent_request_id;
  std::optional<RateAnswer> rate;
  bool is_long = false;
  std::optional<AdaptiveLimit::Permit> permit;
  bool finished = false;

  const TraceContext& trace() {
    if (!given_trace) given_trace = TraceContext::start(TraceContext::Sampled::no);
    return *given_trace;
  }
  std::string ip() const { return peer != nullptr ? peer->ip() : peer_ip; }
  void end() {
    CHECK(!finished);
    finished = true;
    if (rate && rate->holder != 0) chain->rates->give_back(context.caller, operation, rate->holder);
  }
};

Chain::Chain(ChainOptions options, Authenticator& authenticator, RateLimits* rates, const Clock& clock, Logger log,
             Registry& metrics)
    : impl_(std::make_unique<Impl>(options, authenticator, rates, clock, std::move(log), metrics)) {}
Chain::~Chain() = default;

Call Chain::begin(const RequestHead& head) {
  const auto& [operation, series] = impl_->of(head.edge, head.operation);
  std::unique_ptr<Call::State> state(new Call::State{
      .chain = impl_.get(),
      .edge = head.edge,
      .operation = operation,
      .series = series,
      .begun = impl_->clock.steady(),
      .peer_ip = std::string(head.peer_ip),
      .peer = head.peer,
      .given_trace = trace_of(head),
      .is_long = head.long_limit.has_value(),
  });
  if (usable_request_id(head.request_id)) {
    state->context.correlation_id = head.request_id;
    if (head.request_id.size() == 36)
      if (const auto id = directory::RequestId::parse(head.request_id); id && id->uuid.version() == 4)
        state->sent_request_id = *id;
  } else {
    state->context.correlation_id = to_string(uuid_v4());
  }
  const Micros limit = head.long_limit.value_or(impl_->options.deadline_default);
  state->context.deadline =
      Deadline::in(std::min(head.timeout.value_or(limit), head.long_limit.value_or(impl_->options.deadline_max)));
  state->admitted = impl_->admit(head, *state);
  Call call(std::move(state));
  if (!call.admitted()) call.finish(call.admitted().error());
  return call;
}

Result<void> Chain::Impl::admit(const RequestHead& head, Call::State& call) {
  const auto limited = [&](const RateAnswer& answer) -> Result<void> {
    call.rate = answer;
    if (answer.allowed) return {};
    Error error = fail(Code::exhausted, "RateLimited",
                       "the limit " + answer.rule + " of " + std::to_string(answer.limit) + " is reached");
    error.violations.push_back({answer.rule, "is reached"});
    error.retry_after = answer.reset_after;
    return error;
  };
  if (head.timeout && *head.timeout <= Micros::zero())
    return fail(Code::deadline, "DeadlineExceeded", "the caller's deadline had passed on arrival");
  if (head.access == Access::open) {
    if (rates) TRY_VOID(limited(rates->ask_ip(call.ip())));
    if (rates && call.operation != "HealthCheck") rates->count_ip(call.ip());
    return {};
  }
  if (auto known = authenticator.known(head.credentials)) {
    call.context.caller = *std::move(known);
  } else {
    if (rates) TRY_VOID(limited(rates->ask_ip(call.ip())));
    auto caller = authenticator.authenticate(head.credentials);
    if (!caller && rates) rates->count_ip(call.ip());
    TRY(call.context.caller, std::move(caller));
  }
  if (rates) TRY_VOID(limited(rates->ask_caller(call.context.caller, call.operation)));
  return {};
}

Call::Call(std::unique_ptr<State> state) : state_(std::move(state)) {}
Call::Call(Call&&) noexcept = default;
Call& Call::operator=(Call&& other) noexcept {
  Call taken(std::move(other));
  std::swap(state_, taken.state_);
  return *this;
}
Call::~Call() {
  if (state_ && !state_->finished) finish(fail(Code::internal, "", "the handler ended without an answer"));
}

const Result<void>& Call::admitted() const { return state_->admitted; }
const directory::Context& Call::context() const { return state_->context; }
const std::string& Call::request_id() const { return state_->context.correlation_id; }
const std::optional<directory::RequestId>& Call::sent_request_id() const { return state_->sent_request_id; }
const std::optional<RateAnswer>& Call::rate() const { return state_->rate; }
const TraceContext& Call::trace() const { return state_->trace(); }

Result<void> Call::enter() {
  CHECK(!state_->finished && !state_->permit);
  if (state_->is_long) return {};
  AdaptiveLimit& places = *state_->series.places;
  if (auto permit = places.try_enter()) {
    state_->permit.emplace(std::move(*permit));
    return {};
  }
  return places.refusal();
}

void Call::finish() {
  State& call = *state_;
  call.end();
  call.permit.reset();
  const auto took = call.chain->clock.steady() - call.begun;
  call.series.succeeded->add();
  call.series.took->record(took);
  if (!call.chain->log.is_access_turn()) return;
  const std::string peer = call.ip(), trace_id = call.trace().trace_id();
  call.chain->log.access_now("answered", {{"edge", to_string(call.edge)},
                                          {"operation", call.operation},
                                          {"code", "ok"},
                                          {"took_ms", took},
                                          {"actor", call.context.caller.subject},
                                          {"peer", peer},
                                          {"request_id", call.context.correlation_id},
                                          {"trace_id", trace_id}});
}

void Call::finish(const Error& failed) {
  State& call = *state_;
  call.end();
  if (call.permit && !tells_of_load(failed)) call.permit->ignore();
  call.permit.reset();
  const auto took = call.chain->clock.steady() - call.begun;
  call.chain->ended(call.edge, call.operation, to_string(failed.code)).add();
  call.series.took->record(took);
  const std::string peer = call.ip(), trace_id = call.trace().trace_id();
  const chaveiro::Fields fields{{"edge", to_string(call.edge)},
                                {"operation", call.operation},
                                {"code", to_string(failed.code)},
                                {"reason", reason_of(failed)},
                                {"took_ms", took},
                                {"actor", call.context.caller.subject},
                                {"peer", peer},
                                {"request_id", call.context.correlation_id},
                                {"trace_id", trace_id},
                                {"error", failed}};
  if (failed.code == Code::internal || failed.code == Code::corrupt)
    call.chain->log.error("answered with a fault of ours", fields);
  else
    call.chain->log.access("refused", fields);
}

}  // namespace chaveiro::api
