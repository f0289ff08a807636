#include "limits/official.h"

#include <algorithm>
#include <cmath>

#include "base/encoding.h"

namespace chaveiro::limits {
namespace {

constexpr std::int64_t run_calls_max = 10'000'000;

std::int64_t kept_of(std::int64_t capacity, double share) {
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(static_cast<double>(capacity) * share)), 0,
                                  capacity);
}

}  // namespace

OfficialLimits::OfficialLimits(OfficialOptions options, OfficialStore& store, const HmacKey& payer_names,
                               const Clock& clock, Logger log, Registry& metrics)
    : options_(std::move(options)),
      store_(store),
      payer_names_(payer_names),
      clock_(clock),
      log_(std::move(log)),
      metrics_(metrics),
      categories_(Categories{options_.category, options_.categories}) {}
OfficialLimits::~OfficialLimits() = default;

std::string_view OfficialLimits::owner_of(std::string_view participant) const {
  const auto up = options_.rolls_up_to.find(participant);
  return up == options_.rolls_up_to.end() ? participant : std::string_view(up->second);
}

Category OfficialLimits::category_of(std::string_view participant) const {
  return categories_.with([&](const Categories& it) {
    const auto special = it.special.find(participant);
    return special == it.special.end() ? it.everybody : special->second;
  });
}

void OfficialLimits::set_categories(Category category, std::map<std::string, Category, std::less<>> categories) {
  categories_.with([&](Categories& it) { it = {category, std::move(categories)}; });
}

OfficialAsk OfficialLimits::participant_ask(const Policy& policy, std::string_view participant) const {
  const std::string_view owner = owner_of(participant);
  return {.key = "psp|" + std::string(owner) + "|" + std::string(policy.name),
          .terms = terms_of(policy, Payer::natural, category_of(owner), options_.silent.refill),
          .worst = worst_cost(policy)};
}

Result<OfficialPermit> OfficialLimits::prepare(const OfficialCall& call) {
  OfficialPermit permit{.id = to_string(ids_.make(clock_.now())),
                        .participant = std::string(owner_of(call.participant)),
                        .end_to_end_id = std::string(call.end_to_end_id),
                        .policies = policies_of(call.call, options_.version)};
  for (const Policy* policy : permit.policies) {
    if (policy->scope == PolicyScope::participant) {
      permit.asks.push_back(participant_ask(*policy, call.participant));
      if (call.urgency == Urgency::batch)
        permit.asks.back().kept = kept_of(permit.asks.back().terms.capacity, options_.kept_share);
      continue;
    }
    TRY(permit.payer, payer_kind(call.payer_id));
    const Digest256 name = payer_names_.sign(call.payer_id);
    std::string key = "user|" + to_hex(ByteView(name).first(12)) + "|" + std::string(policy->name);
    if (!options_.silent.payer_over_all) key += "|" + permit.participant;
    permit.asks.push_back({.key = std::move(key),
                           .terms = terms_of(*policy, permit.payer, Category::a, options_.silent.refill),
                           .worst = worst_cost(*policy)});
  }
  return permit;
}

Result<OfficialPermit> OfficialLimits::reserve(const OfficialCall& call, Deadline deadline) {
  TRY(OfficialPermit permit, prepare(call));
  if (permit.asks.empty()) return permit;
  TRY(const OfficialVerdict verdict,
      store_.reserve(permit.id, permit.asks, options_.settle_timeout, deadline.capped(options_.store_time_max)));
  show_tokens(permit, verdict.views);
  if (verdict.allowed) return permit;
  return refused(permit, verdict.views, deadline);
}

// Names every bucket that lacks room; the call is allowed when the last of them has it.
Error OfficialLimits::refused(const OfficialPermit& permit, const std::vector<OfficialView>& views, Deadline deadline) {
  Error error = fail(Code::exhausted, "RateLimited", "");
  std::optional<Micros> wait{Micros{0}};
  for (std::size_t i = 0; i < permit.asks.size(); ++i) {
    const OfficialView& view = views[i];
    if (view.balance - view.held - permit.asks[i].kept >= 1) continue;
    const std::string name(permit.policies[i]->name);
    metrics_.counter("dict_policy_refused_total", "Calls that an official bucket did not allow.", {{"policy", name}})
        .add();
    error.message += (error.message.empty() ? "the bucket of policy " : ", and that of ") + name + " is empty";
    error.violations.push_back(
        {name, std::to_string(view.balance) + " tokens, " + std::to_string(view.held) + " held"});
    const auto state = view.allowed_at ? store_.state(permit.asks[i], deadline.capped(options_.store_time_max))
                                       : Result<OfficialState>(OfficialState{});
    if (!state) return state.error();
    if (!view.allowed_at)
      wait.reset();
    else if (wait)
      wait = std::max(*wait, Micros{*view.allowed_at - state->at});
  }
  if (error.message.empty()) error.message = "the official buckets do not allow the call now";
  if (wait) {
    error.retry_after = std::chrono::ceil<std::chrono::milliseconds>(*wait);
    error.message += "; allowed at " + to_rfc3339(clock_.now() + *wait);
  }
  return error;
}

Result<void> OfficialLimits::settle(const OfficialPermit& permit, Outcome outcome, Deadline deadline) {
  if (permit.asks.empty()) return {};
  std::vector<OfficialCharge> charges;
  for (const Policy* policy : permit.policies) {
    OfficialCharge charge{.floor = options_.silent.floor};
    if (outcome.kind == Outcome::Kind::unanswered) charge.cost = worst_cost(*policy);
    if (outcome.kind == Outcome::Kind::answered) {
      charge.cost = cost_of(*policy, outcome.http_status, options_.silent);
      charge.empties = outcome.http_status == 429 && policy->scope == PolicyScope::user;
      if (outcome.http_status == 200) charge.credit = credit_of(*policy, permit.payer);
    }
    charges.push_back(charge);
  }
  TRY(const OfficialSettled settled,
      store_.settle(permit.id, permit.asks, charges, permit.end_to_end_id, deadline.capped(options_.store_time_max)));
  show_tokens(permit, settled.views);
  if (outcome.kind == Outcome::Kind::answered && outcome.http_status == 429 && !settled.repeated) {
    metrics_
        .counter("dict_policy_limited_total", "429 that the registry answered although our buckets allowed the call.")
        .add();
    log_.warn("the registry answered 429 where our buckets allowed the call", {{"participant", permit.participant}});
  }
  return {};
}

Result<bool> OfficialLimits::payment_order(std::string_view end_to_end_id, Deadline deadline) {
  return store_.credit(std::string(end_to_end_id), deadline);
}

void OfficialLimits::show_tokens(const OfficialPermit& permit, const std::vector<OfficialView>& views) {
  for (std::size_t i = 0; i < permit.asks.size(); ++i) {
    if (permit.policies[i]->scope != PolicyScope::participant) continue;
    const std::string policy(permit.policies[i]->name);
    const std::int64_t free = views[i].balance - views[i].held;
    metrics_
        .gauge("dict_policy_tokens", "Tokens of an official bucket that are left, as we believe.",
               {{"policy", policy}, {"ispb", permit.participant}})
        .set(static_cast<double>(free));
    // It ends well above where it began: holds that come and go are no news.
    const double low_at = options_.headroom_alarm * static_cast<double>(permit.asks[i].terms.capacity);
    const bool is_news = low_.with([&](std::set<std::string>& low) {
      if (static_cast<double>(free) >= 2 * low_at) low.erase(permit.asks[i].key);
      return static_cast<double>(free) < low_at && low.insert(permit.asks[i].key).second;
    });
    if (!is_news) continue;
    metrics_
        .counter("dict_policy_headroom_alarms_total", "Times that an official bucket became nearly empty.",
                 {{"policy", policy}, {"ispb", permit.participant}})
        .add();
    log_.warn("an official bucket is nearly empty",
              {{"policy", policy}, {"ispb", permit.participant}, {"tokens", free}});
  }
}

UtcTime OfficialLimits::wall(std::int64_t bucket_time, std::int64_t bucket_now) const {
  return clock_.now() + Micros{bucket_time - bucket_now};
}

Result<std::vector<PolicyForecast>> OfficialLimits::forecast(const OfficialCall& call, std::int64_t calls,
                                                             Deadline deadline) {
  TRY(const OfficialPermit permit, prepare(call));
  std::vector<PolicyForecast> found;
  for (std::size_t i = 0; i < permit.asks.size(); ++i) {
    const OfficialAsk& ask = permit.asks[i];
    TRY(const OfficialState state, store_.state(ask, deadline));
    const OfficialView view = view_of(ask.terms, state, ask.kept);
    PolicyForecast it{.policy = std::string(permit.policies[i]->name),
                      .balance = view.balance,
                      .held = view.held,
                      .capacity = ask.terms.capacity};
    if (view.allowed_at) it.allowed_at = wall(*view.allowed_at, state.at);
    if (calls > 0)
      if (const auto end = run_ends(ask.terms, state, std::min(calls, run_calls_max), 1))
        it.run_ends = wall(*end, state.at);
    found.push_back(std::move(it));
  }
  return found;
}

Result<std::vector<PolicyForecast>> OfficialLimits::show(std::string_view participant, Deadline deadline) {
  std::vector<PolicyForecast> found;
  for (const Policy& policy : all_policies()) {
    if (policy.scope != PolicyScope::participant || policy.since > options_.version) continue;
    const OfficialAsk ask = participant_ask(policy, participant);
    TRY(const OfficialState state, store_.state(ask, deadline));
    const OfficialView view = view_of(ask.terms, state, 0);
    PolicyForecast it{
        .policy = std::string(policy.name), .balance = view.balance, .held = view.held, .capacity = ask.terms.capacity};
    if (view.allowed_at) it.allowed_at = wall(*view.allowed_at, state.at);
    found.push_back(std::move(it));
  }
  return found;
}

Result<OfficialLimits::Probe> OfficialLimits::begin_mirror(std::string_view participant, Deadline deadline) {
  Probe probe{.participant = std::string(participant)};
  for (const Policy& policy : all_policies()) {
    if (policy.scope != PolicyScope::participant || policy.since > options_.version) continue;
    TRY(probe.before[std::string(policy.name)], store_.look(participant_ask(policy, participant), deadline));
  }
  return probe;
}

Result<std::vector<Drift>> OfficialLimits::mirror(const Probe& probe, const std::vector<PolicyState>& answer,
                                                  Deadline deadline) {
  std::vector<Drift> drifts;
  for (const PolicyState& theirs : answer) {
    const Policy* policy = find_policy(theirs.name);
    const auto before = probe.before.find(theirs.name);
    if (policy == nullptr || policy->scope != PolicyScope::participant || before == probe.before.end()) continue;
    const OfficialAsk ask = participant_ask(*policy, probe.participant);
    TRY(const OfficialView ours, store_.look(ask, deadline));
    Drift drift{theirs.name, ours.balance, theirs.available, false};
    metrics_
        .gauge("dict_policy_drift", "What the registry says is left, less what we believed.",
               {{"policy", drift.policy}, {"ispb", probe.participant}})
        .set(static_cast<double>(drift.theirs - drift.ours));
    // What may have been charged there and not yet here.
    const std::int64_t on_the_way = before->second.held + ours.held + (ours.charged - before->second.charged);
    if (theirs.available < before->second.balance - on_the_way) {
      TRY_VOID(store_.correct(ask, Correction::lower, theirs.available, before->second.charged, deadline));
      drift.corrected = true;
      metrics_
          .counter("dict_policy_corrections_total", "Corrections of an official bucket by /policies.",
                   {{"policy", drift.policy}, {"direction", "down"}})
          .add();
      log_.warn(
          "the registry has fewer tokens than we believed",
          {{"policy", drift.policy}, {"ispb", probe.participant}, {"ours", drift.ours}, {"theirs", drift.theirs}});
    }
    const bool quiet = before->second.held == 0 && ours.held == 0 && before->second.charged == ours.charged;
    const std::int64_t excess = theirs.available - ours.balance;
    const std::int64_t proven = evidence_.with([&](std::map<std::string, Evidence>& all) -> std::int64_t {
      Evidence& it = all[ask.key];
      if (!quiet || excess <= 0) return it = {}, 0;
      it.least = it.seen == 0 ? excess : std::min(it.least, excess);
      if (++it.seen < options_.evidence) return 0;
      const std::int64_t by = it.least;
      it = {};
      return by;
    });
    if (proven > 0) {
      TRY_VOID(store_.correct(ask, Correction::raise, proven, ours.charged, deadline));
      drift.corrected = true;
      metrics_
          .counter("dict_policy_corrections_total", "Corrections of an official bucket by /policies.",
                   {{"policy", drift.policy}, {"direction", "up"}})
          .add();
    }
    drifts.push_back(std::move(drift));
  }
  return drifts;
}

}  // namespace chaveiro::limits
