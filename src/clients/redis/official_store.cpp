#include "clients/redis/official_store.h"

#include <algorithm>
#include <bit>

#include "base/uuid.h"
#include "clients/redis/official_script.h"
#include "clients/redis/value.h"
#include "limits/limit.h"

namespace chaveiro::redis {
namespace {

using limits::OfficialAsk;
using limits::OfficialCharge;
using limits::OfficialState;
using limits::OfficialTerms;
using limits::OfficialView;

double number_at(std::string_view text, std::size_t index) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 8; ++i) bits = bits << 8 | static_cast<unsigned char>(text[index + i]);
  return std::bit_cast<double>(bits);
}

constexpr std::size_t header_bytes = 16 * 8;
constexpr std::size_t hold_bytes = 16 + 36;

Error unexpected() {
  return fail(Code::corrupt, "UnexpectedReply", "the script of policies answered in another shape");
}

Result<OfficialState> unpacked(std::string_view text) {
  if (text.size() < header_bytes || (text.size() - header_bytes) % hold_bytes != 0) return unexpected();
  const auto whole = [&](std::size_t i) { return static_cast<std::int64_t>(number_at(text, 8 * i)); };
  OfficialState state{
      .at = whole(4), .charged = whole(5), .slot_begin = whole(6), .slot_charged = whole(7), .slot = whole(8)};
  for (std::size_t i = 0; i < OfficialState::slots; ++i) state.top[i] = whole(9 + i);
  for (std::size_t at = header_bytes; at < text.size(); at += hold_bytes)
    state.holds.push_back({std::string(text.substr(at + 16, 36)), static_cast<std::int64_t>(number_at(text, at + 8)),
                           static_cast<std::int64_t>(number_at(text, at))});
  return state;
}

// A number, then three for each bucket, or its whole value where the call was refused.
Result<std::vector<OfficialView>> views_from(const std::vector<OfficialAsk>& asks, const Value& reply) {
  const std::vector<Value>& items = reply.items;
  const bool whole = items.size() == asks.size() + 1;
  if (!whole && items.size() != 3 * asks.size() + 1) return unexpected();
  std::vector<OfficialView> views;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    if (!whole) {
      views.push_back({items[3 * i + 1].integer, items[3 * i + 2].integer, items[3 * i + 3].integer, std::nullopt});
      continue;
    }
    TRY(const OfficialState state, unpacked(items[i + 1].text));
    views.push_back(view_of(asks[i].terms, state, asks[i].kept));
  }
  return views;
}

}  // namespace

// One call of the script, put together.
struct OfficialStore::Call {
  std::vector<std::string> keys;
  std::vector<std::string> args;

  void add(std::int64_t number) { args.push_back(std::to_string(number)); }
  void add(const OfficialTerms& terms, std::initializer_list<std::int64_t> more = {}) {
    args.push_back(official_argument(terms, more));
  }
  Result<Value> run(Client& client, Deadline deadline) const {
    const std::vector<std::string_view> key_views(keys.begin(), keys.end());
    const std::vector<std::string_view> arg_views(args.begin(), args.end());
    const bool repeatable = args[2] != "credit" && args[2] != "correct";
    return checked(
        client.eval(repeatable ? repeatable_official_script() : official_script(), key_views, arg_views, deadline));
  }
};

OfficialStore::OfficialStore(OfficialStoreOptions options, Client& client, const Clock& clock)
    : options_(std::move(options)), client_(client), clock_(clock), time_for_tests_(options_.time_for_tests) {}

OfficialStore::Call OfficialStore::begin(const char* step) const {
  const auto fixed_time = *time_for_tests_.lock();
  const std::string now = std::to_string(fixed_time.value_or(clock_.now().time_since_epoch().count()));
  return {.keys = {}, .args = {now, fixed_time ? now : "", step}};
}

Result<limits::OfficialVerdict> OfficialStore::reserve(const std::string& id, const std::vector<OfficialAsk>& asks,
                                                       Micros timeout, Deadline deadline) {
  Call call = begin("reserve");
  call.args.push_back(id);
  call.add(timeout.count());
  for (const OfficialAsk& ask : asks) {
    call.keys.push_back(key_of(ask));
    call.add(ask.terms, {ask.worst, ask.kept});
  }
  TRY(const Value reply, call.run(client_, deadline));
  TRY(auto views, views_from(asks, reply));
  return limits::OfficialVerdict{.allowed = reply.items[0].integer == 1, .views = std::move(views)};
}

Result<void> OfficialStore::hold_again(const std::string& id, const std::vector<OfficialAsk>& asks, Micros time,
                                       Deadline deadline) {
  Call call = begin("hold");
  call.args.push_back(id);
  call.add(time.count());
  for (const OfficialAsk& ask : asks) {
    call.keys.push_back(key_of(ask));
    call.add(ask.terms, {ask.worst});
  }
  call.keys.push_back(options_.prefix + "settled|" + id);
  TRY_VOID(call.run(client_, deadline));
  return {};
}

Result<limits::OfficialSettled> OfficialStore::settle(const std::string& id, const std::vector<OfficialAsk>& asks,
                                                      const std::vector<OfficialCharge>& charges,
                                                      const std::string& end_to_end, Deadline deadline) {
  Call call = begin("settle");
  call.args.push_back(id);
  const auto uuid = Uuid::parse(id);
  const auto fixed_time = *time_for_tests_.lock();
  const UtcTime now = fixed_time ? UtcTime{Micros{*fixed_time}} : clock_.now();
  // Old enough to have ended by itself: a day is longer than any time-out, and a forged id changes nothing either way.
  const bool may_have_ended =
      uuid && uuid->version() == 7 && time_of(*uuid) <= now && now - time_of(*uuid) > std::chrono::seconds{1};
  call.args.push_back(may_have_ended ? "1" : "0");
  call.add(std::chrono::duration_cast<std::chrono::milliseconds>(options_.look_up_time).count());
  bool earns = false;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    call.keys.push_back(key_of(asks[i]));
    const OfficialCharge& charge = charges[i];
    call.add(asks[i].terms,
             {charge.cost, charge.empties ? 1 : 0, charge.floor ? 1 : 0, charge.floor.value_or(0), charge.credit});
    earns = earns || charges[i].credit > 0;
  }
  call.keys.push_back(options_.prefix + "settled|" + id);
  if (earns && !end_to_end.empty()) call.keys.push_back(options_.prefix + "look-up|" + end_to_end);
  auto reply = call.run(client_, deadline);
  if (!reply && reply.error().message.find("no such reservation") != std::string::npos)
    return fail(Code::not_found, "ReservationUnknown", "no such reservation, or it was settled long ago");
  if (!reply) return std::move(reply).error();
  TRY(auto views, views_from(asks, *reply));
  return limits::OfficialSettled{.repeated = reply->items[0].integer == 1, .views = std::move(views)};
}

Result<bool> OfficialStore::credit(const std::string& end_to_end, Deadline deadline) {
  const std::string look_up = options_.prefix + "look-up|" + end_to_end;
  TRY(const Pairs parts, as_pairs(client_.call(Command("HGETALL", look_up), deadline)));
  if (parts.empty())
    return fail(Code::not_found, "LookupUnknown", "no look-up with this EndToEndId was charged within the last days");
  Call call = begin("credit");
  call.keys.push_back(look_up);
  for (const auto& [key, unused] : parts)
    if (key != "credited") call.keys.push_back(key);
  TRY(const Value reply, call.run(client_, deadline));
  return reply.integer == 1;
}

Result<OfficialState> OfficialStore::state(const OfficialAsk& ask, Deadline deadline) {
  Call call = begin("look");
  call.keys.push_back(key_of(ask));
  call.add(ask.terms);
  TRY(const Value reply, call.run(client_, deadline));
  return unpacked(reply.text);
}

Result<OfficialView> OfficialStore::look(const OfficialAsk& ask, Deadline deadline) {
  TRY(const OfficialState now, state(ask, deadline));
  return view_of(ask.terms, now, ask.kept);
}

Result<OfficialView> OfficialStore::correct(const OfficialAsk& ask, limits::Correction correction, std::int64_t tokens,
                                            std::int64_t charged_then, Deadline deadline) {
  Call call = begin("correct");
  call.keys.push_back(key_of(ask));
  call.add(ask.terms);
  call.add(static_cast<std::int64_t>(correction));
  call.add(std::clamp<std::int64_t>(tokens, -limits::units_max, limits::units_max));
  call.add(charged_then);
  TRY(const Value reply, call.run(client_, deadline));
  TRY(const OfficialState now, unpacked(reply.text));
  return view_of(ask.terms, now, ask.kept);
}

}  // namespace chaveiro::redis
