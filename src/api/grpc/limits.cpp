// The calls about limits, of both services.
#include "api/grpc/admin_service.h"
#include "api/grpc/convert.h"
#include "api/grpc/handlers.h"

namespace chaveiro::api::grpc {
namespace {

using Reactor = AdminService::Reactor;
using Context = AdminService::Context;

Result<LimitsPort*> port(const Handling& it) {
  if (it.services.limits == nullptr) return fail(Code::not_found, "NotFound", "this process has no limits");
  return it.services.limits;
}

void put_policy(admin::PolicyBucket& row, const limits::PolicyForecast& it) {
  row.set_policy(it.policy);
  row.set_tokens(it.balance);
  row.set_held(it.held);
  row.set_capacity(it.capacity);
  if (it.allowed_at) put(*row.mutable_allowed_at(), *it.allowed_at);
  if (it.run_ends) put(*row.mutable_run_ends(), *it.run_ends);
}

Result<void> show_limits(Handling& it, const admin::ShowLimitsRequest& in, admin::ShowLimitsResponse& out) {
  const auto rule = it.fields.may_text("rule", in.rule(), 64);
  if (in.count() > 1'000) it.fields.refuse("count", "must be at most 1000");
  TRY_VOID(it.fields.verdict());
  TRY(LimitsPort* const limits, port(it));
  TRY(const LimitsOverview found, limits->show(it.context(), rule.value_or(""), in.count() == 0 ? 20 : in.count()));
  for (const limits::BucketView& bucket : found.busiest) {
    auto& row = *out.add_buckets();
    row.set_key(bucket.key);
    row.set_rule(bucket.rule);
    row.set_limit(bucket.decision.limit);
    row.set_in_use(bucket.decision.count);
    row.set_remaining(bucket.decision.remaining);
    row.set_reset_after_ms(std::chrono::ceil<std::chrono::milliseconds>(bucket.decision.reset_after).count());
  }
  for (const limits::PolicyForecast& policy : found.policies) put_policy(*out.add_policies(), policy);
  for (const limits::AbuseFigures& figures : found.look_ups) {
    auto& row = *out.add_look_ups();
    row.set_subject(figures.subject);
    row.set_is_participant(figures.is_participant);
    row.set_found(figures.found);
    row.set_not_found(figures.not_found);
    row.set_payment_orders(figures.orders);
    row.set_keys_checked(figures.keys_checked);
    for (const limits::Suspicion each : figures.suspicions) row.add_suspicions(std::string(to_string(each)));
  }
  return {};
}

Result<void> forecast_limits(Handling& it, const admin::ForecastLimitsRequest& in, admin::ForecastLimitsResponse& out) {
  const auto operation = it.fields.text("operation", in.operation(), 64);
  const auto key_type = it.fields.may_key_type("key_type", in.key_type());
  const auto payer = it.fields.may_tax_id("payer_id", in.payer_id());
  if (in.calls() < 0 || in.calls() > 10'000'000) it.fields.refuse("calls", "must be 0 to 10000000");
  TRY_VOID(it.fields.verdict());
  TRY(LimitsPort* const limits, port(it));
  const ForecastRequest request{.operation = *operation,
                                .key_type = key_type ? std::string(to_string(*key_type)) : "",
                                .with_role = in.with_role(),
                                .payer_id = payer.value_or(""),
                                .calls = in.calls()};
  TRY(const auto found, limits->forecast(it.context(), request));
  for (const limits::PolicyForecast& policy : found) put_policy(*out.add_policies(), policy);
  return {};
}

Result<void> reset_limit(Handling& it, const admin::ResetLimitRequest& in, admin::ResetLimitResponse&) {
  const auto key = it.fields.text("key", in.key(), 512);
  TRY_VOID(it.fields.verdict());
  TRY(LimitsPort* const limits, port(it));
  return limits->reset(it.context(), *key);
}

Result<void> reload_limits(Handling& it, const admin::ReloadLimitsRequest&, admin::ReloadLimitsResponse& out) {
  TRY(LimitsPort* const limits, port(it));
  TRY(const std::size_t rules, limits->reload_rules(it.context()));
  out.set_rules(static_cast<std::uint32_t>(rules));
  return {};
}

}  // namespace

Result<void> report_payment_order(Handling& it, const core::ReportPaymentOrderRequest& in,
                                  core::ReportPaymentOrderResponse& out) {
  const auto end_to_end = it.fields.may_end_to_end_id("end_to_end_id", in.end_to_end_id());
  if (in.end_to_end_id().empty()) it.fields.refuse("end_to_end_id", "is required");
  const auto payer = it.fields.tax_id("payer_id", in.payer_id());
  auto accepted = std::optional(it.services.clock.now());
  if (in.has_accepted_at()) accepted = time_from(it.fields, "accepted_at", in.accepted_at());
  TRY_VOID(it.fields.verdict());
  TRY(LimitsPort* const limits, port(it));
  TRY(const bool credited, limits->report_payment_order(it.context(), {*end_to_end, *payer, *accepted}));
  out.set_credited(credited);
  return {};
}

Reactor* AdminService::ShowLimits(Context* context, const admin::ShowLimitsRequest* in,
                                  admin::ShowLimitsResponse* out) {
  return answer_on_pool(services_, context, {"ShowLimits"}, in, out, show_limits);
}
Reactor* AdminService::ForecastLimits(Context* context, const admin::ForecastLimitsRequest* in,
                                      admin::ForecastLimitsResponse* out) {
  return answer_on_pool(services_, context, {"ForecastLimits"}, in, out, forecast_limits);
}
Reactor* AdminService::ResetLimit(Context* context, const admin::ResetLimitRequest* in,
                                  admin::ResetLimitResponse* out) {
  return answer_on_pool(services_, context, {"ResetLimit"}, in, out, reset_limit);
}
Reactor* AdminService::ReloadLimits(Context* context, const admin::ReloadLimitsRequest* in,
                                    admin::ReloadLimitsResponse* out) {
  return answer_on_pool(services_, context, {"ReloadLimits"}, in, out, reload_limits);
}

}  // namespace chaveiro::api::grpc
