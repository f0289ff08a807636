// api/first_answers.h
//
// The first answer of a request id, kept for a day and given again: to the same caller, for the same operation and content. It stands in
// front of the store, which knows every request id for ever and decides on each repetition that is not known here; so what is lost here,
// with Redis or with the process, costs speed and never a second effect.
//
// Repetitions that come while the first is at work wait for it, bounded, and are then told "in progress". Kept are answers that stay what
// they are: successes, and faults of the request itself (invalid, exists). Request ids are named in stores by a hash.
//
// Threads: any number at once; waits on the calling thread.
// Errors:  those of the work; conflict "RequestInProgress" with retry_after.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "directory/caller.h"
#include "directory/ids.h"
#include "limits/idempotency.h"

namespace chaveiro::api {

class FirstAnswers {
 public:
  FirstAnswers(const limits::IdempotencyOptions& options, limits::IdempotencyStore& store, Registry& metrics);

  // `operation` names the form of the answer too: "rest.CreateKey". `content`: what a repetition must have in common.
  Result<std::string> run(const directory::Context& context, std::string_view operation, std::string_view request_id,
                          std::initializer_list<std::string_view> content,
                          const std::function<Result<std::string>()>& work);

 private:
  limits::Idempotency idempotency_;
  Counter& repeated_;
  Counter& without_store_;
};

// The same where there may be no such place (null) or the caller gave no request id: then the work is done.
Result<std::string> answer_once(FirstAnswers* answers, const directory::Context& context, std::string_view operation,
                                const std::optional<directory::RequestId>& request_id,
                                std::initializer_list<std::string_view> content,
                                const std::function<Result<std::string>()>& work);

}  // namespace chaveiro::api
