#include "events/dead_letter.h"

#include <boost/json.hpp>

#include "base/text.h"
#include "events/topics.h"

namespace chaveiro::events {
namespace {

constexpr std::string_view own_headers[] = {headers::real_topic,        headers::origin_message_id,
                                            headers::dead_subscription, headers::dead_reason,
                                            headers::dead_at,           headers::dead_attempts};

std::string attempts_text(const std::vector<Attempt>& attempts) {
  std::string out = "[";
  for (const Attempt& attempt : attempts) {
    if (out.size() > 1) out.push_back(',');
    out.append(R"({"at":")").append(to_rfc3339(attempt.at)).append(R"(","code":)").append(to_json_string(attempt.code));
    out.append(R"(,"reason":)").append(to_json_string(attempt.reason)).append(R"(,"message":)");
    out.append(to_json_string(attempt.message)).push_back('}');
  }
  return out + "]";
}

std::vector<Attempt> parse_attempts(std::string_view text) {
  namespace json = boost::json;
  std::vector<Attempt> attempts;
  boost::system::error_code failed;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), failed);
  if (failed || !value.is_array()) return attempts;
  for (const json::value& one : value.get_array()) {
    if (!one.is_object()) continue;
    const auto take = [&](const char* name) {
      const json::value* const found = one.get_object().if_contains(name);
      return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
    };
    Attempt attempt{{}, take("code"), take("reason"), take("message")};
    if (const auto at = parse_rfc3339(take("at"))) attempt.at = *at;
    attempts.push_back(std::move(attempt));
  }
  return attempts;
}

}  // namespace

Message to_message(const DeadLetter& letter) {
  Message message = letter.original;
  message.deliver_at.reset();
  message.sequence = 0;
  set_header(message.headers, headers::real_topic, letter.topic);
  set_header(message.headers, headers::origin_message_id, letter.message_id);
  set_header(message.headers, headers::dead_subscription, letter.subscription);
  set_header(message.headers, headers::dead_reason, letter.reason);
  set_header(message.headers, headers::dead_at, to_rfc3339(letter.at));
  set_header(message.headers, headers::dead_attempts, attempts_text(letter.attempts));
  return message;
}

Result<DeadLetter> dead_letter_of(const Message& message) {
  DeadLetter letter;
  letter.topic = header(message.headers, headers::real_topic);
  if (letter.topic.empty())
    return fail(Code::corrupt, "NoDeadLetter", "the message does not say which topic it is from");
  letter.message_id = header(message.headers, headers::origin_message_id);
  letter.subscription = header(message.headers, headers::dead_subscription);
  letter.reason = header(message.headers, headers::dead_reason);
  if (const auto at = parse_rfc3339(header(message.headers, headers::dead_at))) letter.at = *at;
  letter.attempts = parse_attempts(header(message.headers, headers::dead_attempts));
  letter.original = message;
  std::erase_if(letter.original.headers, [](const auto& one) {
    return std::find(std::begin(own_headers), std::end(own_headers), one.first) != std::end(own_headers);
  });
  return letter;
}

Message replay_of(const DeadLetter& letter) {
  Message message = letter.original;
  set_header(message.headers, headers::replayed_for, letter.subscription);
  return message;
}

}  // namespace chaveiro::events
