#include "app/limits.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/file.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;

constexpr std::size_t rules_bytes_max = 1 << 20;

std::string ip_rule(std::int64_t per_minute) {
  return "  - {name: ip, per: [ip], limit: {amount: " + std::to_string(per_minute) + ", period: 1m}}\n";
}

api::RateAnswer answer_of(const limits::Answer& said) {
  api::RateAnswer answer{.allowed = said.allowed};
  answer.holder = said.holder;
  if (said.tightest == nullptr) return answer;
  const limits::Decision& it = said.tightest->decision;
  answer.limit = static_cast<std::uint64_t>(std::max<std::int64_t>(1, it.limit));  // 0 would mean that none applies
  answer.remaining = static_cast<std::uint64_t>(it.remaining);
  const Micros wait = it.allowed ? it.reset_after : it.retry_after;
  answer.reset_after =
      wait == limits::never ? std::chrono::hours{24} : std::chrono::ceil<std::chrono::milliseconds>(wait);
  if (!said.allowed) answer.rule = said.tightest->rule;
  return answer;
}

// What rules may speak of, once it is known who asks.
struct CallerWords {
  CallerWords(const dir::Caller& caller, std::string_view operation)
      : account(caller.accounts && caller.accounts->size() == 1 ? to_string(caller.accounts->front()) : caller.subject),
        ispb(to_string(caller.ispb)),
        all{{"ispb", ispb},
            {"operation", operation},
            {"role", caller.roles == dir::Roles{dir::Role::user} ? "user" : "participant"},
            {"account", account},
            {"caller", caller.subject}} {}
  std::string account, ispb;
  limits::Descriptor all;
};

Result<std::string> rules_text(const std::string& path) {
  auto text = read_file(path, rules_bytes_max);
  if (text && !text->empty()) return text;
  return fail(Code::invalid, "RulesUnreadable",
              "cannot read " + path + ": " + (text ? "it is empty" : text.error().message));
}

}  // namespace

// Where a policy of the regulator already limits the participant as a whole, ours are for each account.
std::string built_in_rules(std::int64_t per_ip_and_minute) {
  const auto rule = [](std::string_view name, std::string_view operations, int amount) {
    return "  - {name: " + std::string(name) + ", match: {role: user, operation: " + std::string(operations) +
           "}, per: [ispb, account], limit: {amount: " + std::to_string(amount) + ", period: 1m}}\n";
  };
  std::string text = "rules:\n";
  if (per_ip_and_minute > 0) text += ip_rule(per_ip_and_minute);
  return text + rule("create_entry", "CreateKey", 100) + rule("create_claim", "StartClaim", 50) +
         rule("get_entry", "[GetKey, LookupKey, LookupKeys]", 500);
}

Result<std::shared_ptr<const limits::RuleSet>> read_envoy_rules(const std::string& path) {
  TRY(const std::string text, rules_text(path));
  auto rules = limits::RuleSet::read_envoy(text);
  if (!rules) rules.error().message = path + ": " + rules.error().message;
  return rules;
}

Result<std::shared_ptr<const limits::RuleSet>> PlatformLimits::read_rules(const LimitsOptions& options) {
  if (!options.enabled) return limits::RuleSet::of({});
  if (options.rules_file.empty()) return limits::RuleSet::read(built_in_rules(options.per_ip_and_minute));
  TRY(const std::string text, rules_text(options.rules_file));
  auto given = limits::RuleSet::read(text);
  if (!given) {
    given.error().message = options.rules_file + ": " + given.error().message;
    return given;
  }
  std::vector<limits::Rule> rules = (*given)->rules();
  const bool has_ip = std::any_of(rules.begin(), rules.end(), [](const auto& rule) { return rule.name == "ip"; });
  if (!has_ip && options.per_ip_and_minute > 0) {
    TRY(const auto ip, limits::RuleSet::read("rules:\n" + ip_rule(options.per_ip_and_minute)));
    rules.push_back(ip->rules().front());
  }
  return limits::RuleSet::of(std::move(rules));
}

std::vector<FieldViolation> faults_of_rules(const Settings& settings) {
  std::vector<FieldViolation> faults;
  const auto note = [&](const char* setting, const std::string& path, const auto& rules) {
    if (rules) return;
    for (const FieldViolation& fault : rules.error().violations)
      faults.push_back({setting, path + ", " + fault.field + ": " + fault.description});
    if (rules.error().violations.empty()) faults.push_back({setting, rules.error().message});
  };
  const std::string &ours = settings.rate_limit_rules, &envoy = settings.rls_rules;
  if (!ours.empty()) {
    const auto text = rules_text(ours);
    if (!text) note("RATE_LIMIT_RULES", ours, text);
    if (text) note("RATE_LIMIT_RULES", ours, limits::RuleSet::read(*text));
  }
  if (!envoy.empty()) note("RLS_RULES", envoy, read_envoy_rules(envoy));
  return faults;
}

Result<std::unique_ptr<PlatformLimits>> PlatformLimits::make(LimitsOptions options, const Shared& shared,
                                                             const Secret& person_key, Note note, const Clock& clock,
                                                             Logger log, Registry& metrics) {
  TRY(auto rules, read_rules(options));
  return std::unique_ptr<PlatformLimits>(new PlatformLimits(std::move(options), shared, std::move(rules), person_key,
                                                            std::move(note), clock, std::move(log), metrics));
}

PlatformLimits::PlatformLimits(LimitsOptions options, const Shared& shared,
                               std::shared_ptr<const limits::RuleSet> rules, const Secret& person_key, Note note,
                               const Clock& clock, Logger log, Registry& metrics)
    : options_(std::move(options)),
      payer_names_(person_key.expose()),
      note_(std::move(note)),
      clock_(clock),
      alone_({}, clock),
      followed_(shared.own == nullptr
                    ? nullptr
                    : std::make_unique<limits::FollowedStore>(limits::FollowedStoreOptions{}, *shared.own, clock)),
      limiter_({.nodes_max = shared.nodes_max}, followed_ ? static_cast<limits::Store&>(*followed_) : alone_,
               std::move(rules), clock, metrics),
      official_store_({}, clock),
      official_(options_.official,
                shared.policies != nullptr ? *shared.policies : static_cast<limits::OfficialStore&>(official_store_),
                payer_names_, clock, std::move(log), metrics),
      abuse_(options_.abuse, clock, metrics),
      active_(metrics.watch_gauge("rate_limit_active_limiters", "Buckets of our own limits that are in use.", {},
                                  [this] { return static_cast<double>(buckets().buckets); })),
      overflowed_(metrics.watch_counter("rate_limit_overflow_total",
                                        "Calls whose subject had no bucket of its own, for memory was full.", {},
                                        [this] { return static_cast<double>(buckets().overflowed); })) {}
PlatformLimits::~PlatformLimits() = default;

std::string PlatformLimits::name_of_payer(std::string_view payer_id) const {
  const Digest256 digest = payer_names_.sign(payer_id);
  return to_hex(ByteView(digest).first(12));
}

api::RateAnswer PlatformLimits::ask_ip(std::string_view ip) {
  return answer_of(limiter_.ask({{"ip", ip}}, 1, Deadline::never(), limits::Mode::peek));
}

void PlatformLimits::count_ip(std::string_view ip) {
  limiter_.ask({{"ip", ip}}, 1, Deadline::never(), limits::Mode::take);
}

api::RateAnswer PlatformLimits::ask_caller(const dir::Caller& caller, std::string_view operation) {
  const CallerWords words(caller, operation);
  return answer_of(limiter_.ask(words.all, 1, Deadline::never()));
}

void PlatformLimits::give_back(const dir::Caller& caller, std::string_view operation, std::int64_t holder) {
  const CallerWords words(caller, operation);
  limiter_.release(words.all, holder, Deadline::never());
}

Result<api::LimitsOverview> PlatformLimits::show(const dir::Context& context, const std::string& rule,
                                                 std::size_t most) {
  TRY_VOID(authorise(context.caller, dir::Permission::see_full_lookup, context.caller.ispb));
  api::LimitsOverview overview;
  TRY(overview.busiest, limiter_.busiest(rule, most, context.deadline));
  if (rule.empty()) {
    TRY(overview.policies, official_.show(to_string(context.caller.ispb), context.deadline));
    overview.look_ups = abuse_.report(most);
  }
  return overview;
}

Result<std::vector<limits::PolicyForecast>> PlatformLimits::forecast(const dir::Context& context,
                                                                     const api::ForecastRequest& request) {
  TRY_VOID(authorise(context.caller, dir::Permission::see_full_lookup, context.caller.ispb));
  const std::string participant = to_string(context.caller.ispb);
  const limits::PolicyCall call{request.operation, request.key_type, request.with_role};
  if (limits::policies_of(call, options_.official.version).empty())
    return fail_field("operation", "is no operation of the official API that has a policy, such as getEntry");
  return official_.forecast({.call = call, .participant = participant, .payer_id = request.payer_id}, request.calls,
                            context.deadline);
}

Result<void> PlatformLimits::reset(const dir::Context& context, const std::string& key) {
  TRY_VOID(authorise(context.caller, dir::Permission::administrate, context.caller.ispb));
  const std::string rule = key.substr(0, key.find('|'));
  const auto rules = limiter_.rules();
  const bool known =
      std::any_of(rules->rules().begin(), rules->rules().end(), [&](const auto& it) { return it.name == rule; });
  if (!known)
    return fail(Code::not_found, "NotFound",
                "no rule of ours has such a bucket; those of the regulator cannot be reset");
  TRY_VOID(limiter_.reset(key, context.deadline));
  return note_(context, "ResetLimit", "a bucket of the limit " + rule + " was reset");
}

Result<std::size_t> PlatformLimits::reload_rules(const dir::Context& context) {
  TRY_VOID(authorise(context.caller, dir::Permission::administrate, context.caller.ispb));
  TRY(const std::size_t count, reload());
  TRY_VOID(note_(context, "ReloadLimits", std::to_string(count) + " rules are in force"));
  return count;
}

Result<void> PlatformLimits::follow(Deadline deadline) {
  if (followed_) TRY_VOID(followed_->run_once(deadline));
  return {};
}

Result<std::size_t> PlatformLimits::reload() {
  TRY(auto rules, read_rules(options_));
  const std::size_t count = rules->rules().size();
  limiter_.replace(std::move(rules));
  return count;
}

Result<bool> PlatformLimits::report_payment_order(const dir::Context& context, const api::PaymentOrder& order) {
  TRY_VOID(authorise(context.caller, dir::Permission::see_full_lookup, context.caller.ispb));
  if (order.accepted_at > clock_.now() + std::chrono::minutes{5})
    return fail_field("accepted_at", "lies in the future");
  TRY(const bool now, official_.payment_order(order.end_to_end_id, context.deadline));
  if (now) abuse_.payment_order(to_string(context.caller.ispb), name_of_payer(order.payer_id));
  return now;
}

}  // namespace chaveiro::app
