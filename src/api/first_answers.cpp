#include "api/first_answers.h"

#include <boost/json.hpp>

#include "api/status.h"
#include "base/encoding.h"

namespace chaveiro::api {
namespace {

namespace json = boost::json;

constexpr int good = 200;

bool is_final(const Error& error) { return error.code == Code::invalid || error.code == Code::exists; }

std::string packed(const Error& error) {
  json::array violations;
  for (const FieldViolation& it : error.violations) violations.push_back(json::array{it.field, it.description});
  return json::serialize(json::array{error.code == Code::invalid ? "invalid" : "exists", error.reason, error.message,
                                     std::move(violations)});
}

Error unpacked(const std::string& text) {
  boost::system::error_code fault;
  const json::value value = json::parse(text, fault);
  const json::array* parts = fault ? nullptr : value.if_array();
  const auto text_at = [&](const json::array& from, std::size_t i) {
    return i < from.size() && from[i].is_string() ? std::string(from[i].get_string()) : std::string();
  };
  if (parts == nullptr || parts->size() != 4 || !(*parts)[3].is_array())
    return fail(Code::internal, "", "a stored first answer cannot be read");
  Error error =
      fail(text_at(*parts, 0) == "exists" ? Code::exists : Code::invalid, text_at(*parts, 1), text_at(*parts, 2));
  for (const json::value& it : (*parts)[3].get_array())
    if (it.is_array()) error.violations.push_back({text_at(it.get_array(), 0), text_at(it.get_array(), 1)});
  return error;
}

// Each part with its length in front, so that no two lists read alike.
Digest256 hash_of(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text.append(std::to_string(part.size())).append(":").append(part);
  return sha256(text);
}

}  // namespace

FirstAnswers::FirstAnswers(const limits::IdempotencyOptions& options, limits::IdempotencyStore& store,
                           Registry& metrics)
    : idempotency_(options, store),
      repeated_(metrics.counter("idempotency_repeated_total",
                                "Requests that got the first answer of their request id again.")),
      without_store_(metrics.counter("idempotency_without_store_total",
                                     "Requests with a request id that only the store behind decided on.")) {}

Result<std::string> FirstAnswers::run(const directory::Context& context, std::string_view operation,
                                      std::string_view request_id, std::initializer_list<std::string_view> content,
                                      const std::function<Result<std::string>()>& work) {
  const std::string ispb = to_string(context.caller.ispb);
  const limits::IdempotencyKey key{to_hex(ByteView(hash_of({ispb, context.caller.subject, operation, request_id}))),
                                   hash_of(content)};
  std::optional<Result<std::string>> done;
  const auto answered = idempotency_.run(key, context.deadline, [&]() -> Result<limits::StoredAnswer> {
    done = work();
    if (*done) return limits::StoredAnswer{good, **done};
    if (is_final(done->error()))
      return limits::StoredAnswer{status_row(done->error().code).http, packed(done->error())};
    return done->error();
  });
  if (done) return *std::move(done);
  if (!answered) {
    const Error& error = answered.error();
    if (error.reason == "RequestInProgress") return error;
    // The store of first answers is away, or knows this id with another content: the store behind has the last word.
    without_store_.add();
    return work();
  }
  repeated_.add();
  if (answered->answer.status == good) return answered->answer.body;
  return unpacked(answered->answer.body);
}

Result<std::string> answer_once(FirstAnswers* answers, const directory::Context& context, std::string_view operation,
                                const std::optional<directory::RequestId>& request_id,
                                std::initializer_list<std::string_view> content,
                                const std::function<Result<std::string>()>& work) {
  if (answers == nullptr || !request_id) return work();
  return answers->run(context, operation, to_string(*request_id), content, work);
}

}  // namespace chaveiro::api
