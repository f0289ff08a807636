#include "clients/redis/official_store.h"

#include <algorithm>

#include "base/uuid.h"
#include "clients/redis/value.h"
#include "limits/limit.h"

namespace chaveiro::redis {
namespace {

using limits::OfficialAsk;
using limits::OfficialCharge;
using limits::OfficialState;
using limits::OfficialTerms;
using limits::OfficialView;

Error unexpected() {
  return fail(Code::corrupt, "UnexpectedReply", "the script of policies answered in another shape");
}

}  // namespace

Result<Value> OfficialStore::run(OfficialStep step, std::string_view id, const std::vector<std::string>& keys,
                                 const OfficialArgument& argument, Deadline deadline) const {
  const std::vector<std::string_view> key_views(keys.begin(), keys.end());
  const std::string_view args[] = {id, argument.bytes()};
  const bool repeatable = step != OfficialStep::credit && step != OfficialStep::correct;
  return checked(
      client_.eval(repeatable ? repeatable_official_script() : official_script(), key_views, args, deadline));
}

OfficialStore::OfficialStore(OfficialStoreOptions options, Client& client, const Clock& clock)
    : options_(std::move(options)), client_(client), clock_(clock), time_for_tests_(options_.time_for_tests) {}

OfficialArgument OfficialStore::begin(OfficialStep step, std::size_t buckets, std::int64_t time,
                                      bool may_have_ended) const {
  return {step, clock_.now().time_since_epoch().count(), *time_for_tests_.lock(), buckets, time, may_have_ended};
}

Result<limits::OfficialVerdict> OfficialStore::reserve(const std::string& id, const std::vector<OfficialAsk>& asks,
                                                       Micros timeout, Deadline deadline) {
  OfficialArgument argument = begin(OfficialStep::reserve, asks.size(), timeout.count());
  std::vector<std::string> keys;
  for (const OfficialAsk& ask : asks) {
    keys.push_back(key_of(ask));
    argument.add(ask.terms, {.a = ask.worst, .b = ask.kept});
  }
  TRY(const Value reply, run(OfficialStep::reserve, official_id(id), keys, argument, deadline));
  if (reply.items.empty()) {
    TRY(auto answer, official_answer(reply.text));
    if (answer.views.size() != asks.size()) return unexpected();
    return limits::OfficialVerdict{.allowed = true, .views = std::move(answer.views)};
  }
  // Refused: each bucket as it stands.
  if (reply.items.size() != asks.size()) return unexpected();
  limits::OfficialVerdict refused;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    TRY(const OfficialState state, official_state(reply.items[i].text));
    refused.views.push_back(view_of(asks[i].terms, state, asks[i].kept));
  }
  return refused;
}

Result<void> OfficialStore::hold_again(const std::string& id, const std::vector<OfficialAsk>& asks, Micros time,
                                       Deadline deadline) {
  OfficialArgument argument = begin(OfficialStep::hold, asks.size(), time.count());
  std::vector<std::string> keys;
  for (const OfficialAsk& ask : asks) {
    keys.push_back(key_of(ask));
    argument.add(ask.terms, {.a = ask.worst});
  }
  const std::string bytes = official_id(id);
  keys.push_back(settled_key(options_.prefix, bytes));
  TRY_VOID(run(OfficialStep::hold, bytes, keys, argument, deadline));
  return {};
}

Result<limits::OfficialSettled> OfficialStore::settle(const std::string& id, const std::vector<OfficialAsk>& asks,
                                                      const std::vector<OfficialCharge>& charges,
                                                      const std::string& end_to_end, Deadline deadline) {
  const auto uuid = Uuid::parse(id);
  const auto fixed_time = *time_for_tests_.lock();
  const UtcTime now = fixed_time ? UtcTime{Micros{*fixed_time}} : clock_.now();
  // Old enough to have ended by itself: a day is longer than any time-out, and a forged id changes nothing either way.
  const bool may_have_ended =
      uuid && uuid->version() == 7 && time_of(*uuid) <= now && now - time_of(*uuid) > std::chrono::seconds{1};
  OfficialArgument argument =
      begin(OfficialStep::settle, asks.size(),
            std::chrono::duration_cast<std::chrono::milliseconds>(options_.look_up_time).count(), may_have_ended);
  std::vector<std::string> keys;
  bool earns = false;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    keys.push_back(key_of(asks[i]));
    const OfficialCharge& charge = charges[i];
    const int flags = (charge.empties ? 1 : 0) | (charge.floor ? 2 : 0);
    argument.add(asks[i].terms, {.a = std::max<std::int64_t>(0, charge.cost),
                                 .b = charge.credit,
                                 .c = charge.floor.value_or(0),
                                 .flags = static_cast<std::uint8_t>(flags)});
    earns = earns || charges[i].credit > 0;
  }
  const std::string bytes = official_id(id);
  keys.push_back(settled_key(options_.prefix, bytes));
  if (earns && !end_to_end.empty()) keys.push_back(options_.prefix + "look-up|" + end_to_end);
  const auto reply = run(OfficialStep::settle, bytes, keys, argument, deadline);
  if (!reply && reply.error().message.find("no such reservation") != std::string::npos)
    return fail(Code::not_found, "ReservationUnknown", "no such reservation, or it was settled long ago");
  if (!reply) return reply.error();
  TRY(auto answer, official_answer(reply->text));
  if (answer.views.size() != asks.size()) return unexpected();
  return limits::OfficialSettled{.repeated = answer.number == 1, .views = std::move(answer.views)};
}

Result<bool> OfficialStore::credit(const std::string& end_to_end, Deadline deadline) {
  const std::string look_up = options_.prefix + "look-up|" + end_to_end;
  TRY(const Value value, checked(client_.call(Command("GET", look_up), deadline)));
  if (value.is_nil())
    return fail(Code::not_found, "LookupUnknown", "no look-up with this EndToEndId was charged within the last days");
  TRY(auto keys, look_up_keys(value.text));
  keys.insert(keys.begin(), look_up);
  TRY(const Value reply,
      run(OfficialStep::credit, std::string(16, '\0'), keys, begin(OfficialStep::credit, 0), deadline));
  return reply.integer == 1;
}

Result<OfficialState> OfficialStore::state(const OfficialAsk& ask, Deadline deadline) {
  OfficialArgument argument = begin(OfficialStep::look, 1);
  argument.add(ask.terms);
  TRY(const Value reply, run(OfficialStep::look, std::string(16, '\0'), {key_of(ask)}, argument, deadline));
  return official_state(reply.text);
}

Result<OfficialView> OfficialStore::look(const OfficialAsk& ask, Deadline deadline) {
  TRY(const OfficialState now, state(ask, deadline));
  return view_of(ask.terms, now, ask.kept);
}

Result<OfficialView> OfficialStore::correct(const OfficialAsk& ask, limits::Correction correction, std::int64_t tokens,
                                            std::int64_t charged_then, Deadline deadline) {
  OfficialArgument argument = begin(OfficialStep::correct, 1);
  argument.add(ask.terms, {.a = tokens, .b = charged_then, .flags = static_cast<std::uint8_t>(correction)});
  TRY(const Value reply, run(OfficialStep::correct, std::string(16, '\0'), {key_of(ask)}, argument, deadline));
  TRY(const OfficialState now, official_state(reply.text));
  return view_of(ask.terms, now, ask.kept);
}

}  // namespace chaveiro::redis
