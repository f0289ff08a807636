#include "app/replay.h"

#include <boost/json.hpp>
#include <queue>

#include "limits/official.h"

namespace chaveiro::app {
namespace {

namespace json = boost::json;

struct Line {
  UtcTime at{};
  std::string operation, key_type, participant, payer, end_to_end;
  int status = 0;
  Micros took{0};
  bool batch = false, with_role = false;
};

Error fault(std::uint64_t number, std::string why) {
  return fail_field("line " + std::to_string(number), std::move(why), "ReplayInvalid");
}

Result<Line> parse(std::string_view text, std::uint64_t number) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 4;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  if (error || !value.is_object()) return fault(number, "is no JSON object");
  const json::object& object = value.get_object();
  const auto word = [&](const char* name) {
    const json::value* it = object.if_contains(name);
    return it != nullptr && it->is_string() ? std::string(it->get_string()) : std::string();
  };
  const auto whole = [&](const char* name) -> std::int64_t {
    const json::value* it = object.if_contains(name);
    return it != nullptr && it->is_int64() ? it->get_int64() : 0;
  };
  const auto truth = [&](const char* name) {
    const json::value* it = object.if_contains(name);
    return it != nullptr && it->is_bool() && it->get_bool();
  };
  Line line{.operation = word("operation"),
            .key_type = word("key_type"),
            .participant = word("participant"),
            .payer = word("payer_id"),
            .end_to_end = word("end_to_end_id"),
            .status = static_cast<int>(std::clamp<std::int64_t>(whole("status"), 0, 999)),
            .took = std::chrono::milliseconds{std::clamp<std::int64_t>(whole("took_ms"), 0, 60'000)},
            .batch = truth("batch"),
            .with_role = truth("with_role")};
  const auto at = parse_rfc3339(word("at"));
  if (!at) return fault(number, "`at` must be a moment (RFC 3339)");
  line.at = *at;
  if (line.operation.empty()) return fault(number, "`operation` is missing");
  return line;
}

class Replayer {
 public:
  Replayer(limits::Category category, const limits::SilentPoints& silent, UtcTime begin)
      : clock_(begin),
        store_({}, clock_),
        engine_({.category = category, .silent = silent}, store_, HmacKey("replay"), clock_, Logger(), metrics_) {}

  Result<void> take(const Line& line, std::uint64_t number, ReplayReport& report) {
    if (line.at < last_) return fault(number, "is earlier than the line before");
    last_ = line.at;
    pass_to(line.at);
    if (line.operation == "paymentOrder") {
      static_cast<void>(engine_.payment_order(line.end_to_end, Deadline::never()));  // of a refused look-up, or of none
      return {};
    }
    ++report.calls;
    auto permit = engine_.reserve({.call = {line.operation, line.key_type, line.with_role},
                                   .participant = line.participant,
                                   .payer_id = line.payer,
                                   .end_to_end_id = line.end_to_end,
                                   .urgency = line.batch ? limits::Urgency::batch : limits::Urgency::interactive},
                                  Deadline::never());
    if (!permit && permit.error().code == Code::invalid) return fault(number, permit.error().message);
    if (!permit) {
      const Error& error = permit.error();
      report.refused.push_back({number, error.violations.empty() ? "" : error.violations[0].field,
                                error.retry_after ? to_rfc3339(clock_.now() + *error.retry_after) : ""});
      return {};
    }
    ++report.allowed;
    if (line.status == 429) ++report.limited;
    if (line.status != 0) answers_.push({line.at + line.took, std::move(*permit), line.status});
    return {};
  }

 private:
  struct Answered {
    UtcTime at;
    limits::OfficialPermit permit;
    int status;
    bool operator<(const Answered& other) const { return other.at < at; }
  };

  void pass_to(UtcTime now) {
    while (!answers_.empty() && answers_.top().at <= now) {
      const Answered& first = answers_.top();
      if (first.at > clock_.now()) clock_.advance(first.at - clock_.now());
      static_cast<void>(engine_.settle(first.permit, limits::Outcome::status(first.status), Deadline::never()));
      answers_.pop();
    }
    if (now > clock_.now()) clock_.advance(now - clock_.now());
  }

  ManualClock clock_;
  Registry metrics_;
  limits::OfficialMemoryStore store_;
  limits::OfficialLimits engine_;
  std::priority_queue<Answered> answers_;
  UtcTime last_{};
};

}  // namespace

Result<ReplayReport> replay_calls(std::string_view lines, limits::Category category,
                                  const limits::SilentPoints& silent) {
  ReplayReport report;
  std::optional<Replayer> replayer;
  std::uint64_t number = 0;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view text = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    ++number;
    if (text.empty() || text == "\r") continue;
    TRY(const Line line, parse(text, number));
    if (!replayer) replayer.emplace(category, silent, line.at);
    TRY_VOID(replayer->take(line, number, report));
  }
  return report;
}

}  // namespace chaveiro::app
