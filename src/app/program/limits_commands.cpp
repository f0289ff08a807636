// `chaveiro limits`: what limits there are, when a call will be allowed, whether a rules file is right, and what a recorded day of calls
// would have met.
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

#include "app/program/commands.h"
#include "app/replay.h"
#include "limits/rules.h"

namespace chaveiro::app {
namespace {

namespace admin = dict::admin::v1;
namespace json = boost::json;
using Admin = admin::AdminService::Stub;

struct LimitsFlags {
  std::string rule, key, operation = "getEntry", key_type = "CPF", payer, file, category = "H", against = "";
  std::uint32_t count = 20;
  std::int64_t calls = 0;
  bool with_role = false, envoy = false;
};

Result<std::string> contents_of(const std::string& path) {
  std::ostringstream text;
  if (path == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Code::not_found, "NotFound", "cannot read " + path);
  text << in.rdbuf();
  return text.str();
}

int check_rules(const LimitsFlags& flags, const Output& output) {
  const auto text = contents_of(flags.file);
  if (!text) return Client::failed(text.error(), output);
  const auto rules = flags.envoy ? limits::RuleSet::read_envoy(*text) : limits::RuleSet::read(*text);
  if (!rules) return Client::failed(rules.error(), output), 2;
  const std::size_t count = (*rules)->rules().size();
  if (output.json)
    std::printf("%s\n", json::serialize(json::object{{"ok", true}, {"rules", count}}).c_str());
  else
    std::printf("%zu rules, no faults\n", count);
  return 0;
}

int replay(const LimitsFlags& flags, const Output& output) {
  const auto text = contents_of(flags.file);
  if (!text) return Client::failed(text.error(), output);
  const auto category = limits::parse_category(flags.category);
  if (!category) return Client::failed(fail_field("--category", category.error().message), output), 2;
  const auto report = replay_calls(*text, *category);
  if (!report) return Client::failed(report.error(), output);
  if (output.json) {
    json::array refused;
    for (const auto& it : report->refused)
      refused.push_back({{"line", it.line}, {"policy", it.policy}, {"allowed_at", it.allowed_at}});
    std::printf("%s\n", json::serialize(json::object{{"calls", report->calls},
                                                     {"allowed", report->allowed},
                                                     {"refused", refused},
                                                     {"limited_by_registry", report->limited}})
                            .c_str());
    return 0;
  }
  std::printf("%llu calls, %llu allowed, %zu refused; the registry answered 429 to %llu\n",
              static_cast<unsigned long long>(report->calls), static_cast<unsigned long long>(report->allowed),
              report->refused.size(), static_cast<unsigned long long>(report->limited));
  std::size_t shown = 0;
  for (const auto& it : report->refused) {
    if (++shown > 20) break;
    std::printf("  line %llu: %s, allowed at %s\n", static_cast<unsigned long long>(it.line), it.policy.c_str(),
                it.allowed_at.empty() ? "-" : it.allowed_at.c_str());
  }
  if (report->refused.size() > shown) std::printf("  and %zu more\n", report->refused.size() - shown);
  return 0;
}

}  // namespace

void add_limits_commands(CLI::App& root, Session& session) {
  static LimitsFlags flags;
  CLI::App& group = command_group(root, "limits", "limits of requests and the policies of the regulator");

  CLI::App* show = group.add_subcommand("show", "who uses our limits most, the official buckets, who looks up how");
  show->add_option("--rule", flags.rule, "only this rule of ours");
  show->add_option("--count", flags.count, "rows of each list (20)")->check(CLI::Range(1, 1000));
  action(session, *show, [](Client& client, const Output& output) {
    admin::ShowLimitsRequest request;
    request.set_rule(flags.rule);
    request.set_count(flags.count);
    return client.call(client.admin(), &Admin::ShowLimits, request, output);
  });

  CLI::App* forecast =
      group.add_subcommand("forecast", "when the official policies will allow a call, or a run of them");
  forecast->add_option("operation", flags.operation, "as the official API names it (getEntry)");
  forecast->add_option("--type", flags.key_type, "getEntry: CPF, CNPJ, PHONE, EMAIL or EVP (CPF)");
  forecast->add_option("--payer", flags.payer, "getEntry: CPF or CNPJ of the payer");
  forecast->add_option("--calls", flags.calls, "a run of so many calls, each found");
  forecast->add_flag("--with-role", flags.with_role, "lists: with the donor or claimer filter");
  action(session, *forecast, [](Client& client, const Output& output) {
    admin::ForecastLimitsRequest request;
    request.set_operation(flags.operation);
    if (flags.operation == "getEntry") request.set_key_type(flags.key_type);
    request.set_payer_id(flags.payer);
    request.set_calls(flags.calls);
    request.set_with_role(flags.with_role);
    return client.call(client.admin(), &Admin::ForecastLimits, request, output);
  });

  CLI::App* reset = group.add_subcommand("reset", "make one bucket of our own limits as new");
  reset->add_option("key", flags.key, "as `limits show` tells it")->required();
  action(session, *reset, [](Client& client, const Output& output) {
    admin::ResetLimitRequest request;
    request.set_key(flags.key);
    return client.call(client.admin(), &Admin::ResetLimit, request, output);
  });

  CLI::App* reload = group.add_subcommand("reload", "read the rules file again; what was counted is kept");
  action(session, *reload, [](Client& client, const Output& output) {
    return client.call(client.admin(), &Admin::ReloadLimits, admin::ReloadLimitsRequest(), output);
  });

  CLI::App& rules = command_group(group, "rules", "rule files");
  CLI::App* check = rules.add_subcommand("check", "tell all faults of a rules file at once, with line and column");
  check->add_option("file", flags.file, "the file; -: standard input")->required();
  check->add_flag("--envoy", flags.envoy, "it has the form of envoyproxy/ratelimit");
  check->callback([&session] { session.action = [&session] { return check_rules(flags, session.output); }; });

  CLI::App* again =
      group.add_subcommand("replay", "what a recorded day of calls would have met at the official buckets");
  again->add_option("file", flags.file, "one JSON object a line, see docs/limits.md; -: standard input")->required();
  again->add_option("--category", flags.category, "category of the participant, A to H (H)");
  again->callback([&session] { session.action = [&session] { return replay(flags, session.output); }; });
}

}  // namespace chaveiro::app
