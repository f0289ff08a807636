#include "app/sync_responses.h"

#include <algorithm>

namespace chaveiro::app {

namespace ev = events;

constexpr std::chrono::hours clock_skew_max{1};  // between the registry's clock and ours

ev::Handler sync_response_handler(vsync::SyncAnswers& answers, std::vector<directory::Ispb> served) {
  return [&answers, served = std::move(served)](const ev::DomainEvent& event, const ev::Mark& mark,
                                                Deadline deadline) -> Result<ev::Effect> {
    TRY(const vsync::SyncAnswer answer, vsync::sync_answer_of(event));
    if (std::find(served.begin(), served.end(), answer.participant) == served.end())
      return fail(Code::forbidden, "ParticipantNotServed",
                  "the response is about a participant that is not served here");
    // One of a time to come would keep every later answer out.
    if (answer.verified_at > mark.at + clock_skew_max)
      return fail_field("data.verified_at", "lies in the future: " + to_rfc3339(answer.verified_at));
    TRY_VOID(answers.keep(answer, mark, deadline));
    return ev::Effect::marked;
  };
}

Result<void> tell_sync_answers(vsync::SyncAnswers& answers, Registry& metrics, Deadline deadline) {
  TRY(const std::vector<vsync::SyncAnswer> all, answers.last(deadline));
  for (const vsync::SyncAnswer& answer : all) {
    const Labels labels{{"participant", to_string(answer.participant)},
                        {"key_type", std::string(directory::to_string(answer.key_type))}};
    metrics
        .gauge("vsync_in_sync",
               "1: the registry's last answer was that our entries of this key type are its own; 0: not.", labels)
        .set(answer.agreement == vsync::Agreement::in_sync ? 1.0 : 0.0);
    metrics.gauge("vsync_verified_timestamp_seconds", "When the registry compared last.", labels)
        .set(std::chrono::duration<double>(answer.verified_at.time_since_epoch()).count());
  }
  return {};
}

}  // namespace chaveiro::app
