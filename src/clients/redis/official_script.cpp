#include "clients/redis/official_script.h"

#include <algorithm>

#include "base/hash.h"
#include "base/uuid.h"
#include "clients/redis/official_lua.h"
#include "limits/limit.h"

namespace chaveiro::redis {
namespace {

using limits::OfficialState;
using limits::units_max;

const std::string& text() {
  static const std::string both = std::string(official_quick_lua) + std::string(official_whole_lua);
  return both;
}

void put(std::string& bytes, std::int64_t number, int width) {
  for (int shift = 8 * (width - 1); shift >= 0; shift -= 8)
    bytes.push_back(static_cast<char>(static_cast<std::uint64_t>(number) >> shift & 0xff));
}
std::int64_t bounded(std::int64_t number) { return std::clamp(number, -units_max, units_max); }

// The terms in 55 bits: whether they changed is asked of every bucket.
std::int64_t print_of(const limits::OfficialTerms& terms) {
  std::uint64_t print = 0xcbf29ce484222325;
  for (const std::int64_t part : {terms.refill, terms.period.count(), terms.capacity, std::int64_t(terms.how)})
    for (int shift = 0; shift < 64; shift += 8)
      print = (print ^ (static_cast<std::uint64_t>(part) >> shift & 0xff)) * 0x100000001b3;
  return static_cast<std::int64_t>(print >> 9);
}

// Numbers of a fixed width, one after the other; where they end, what is left is nothing.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}
  std::int64_t next(std::size_t width) {
    if (left_.size() < width) {
      complete_ = false;
      return 0;
    }
    std::uint64_t number = width > 1 && (left_[0] & 0x80) != 0 ? ~std::uint64_t{0} : 0;  // signed, but for single bytes
    for (const char byte : text(width)) number = number << 8 | static_cast<unsigned char>(byte);
    return static_cast<std::int64_t>(number);
  }
  std::string_view text(std::size_t length) {
    if (left_.size() < length) complete_ = false;
    const std::string_view part = left_.substr(0, length);
    left_.remove_prefix(part.size());
    return part;
  }
  bool complete() const { return complete_; }
  bool at_end() const { return left_.empty(); }

 private:
  std::string_view left_;
  bool complete_ = true;
};

Error unexpected() {
  return fail(Code::corrupt, "UnexpectedReply", "the script of policies answered in another shape");
}

}  // namespace

const Script& official_script() {
  static const Script made(text());
  return made;
}

const Script& repeatable_official_script() {
  static const Script made(text(), Access::idempotent);
  return made;
}

OfficialArgument::OfficialArgument(OfficialStep step, std::int64_t now, std::optional<std::int64_t> fixed,
                                   std::size_t buckets, std::int64_t time, bool may_have_ended) {
  bytes_.reserve(24 + 51 * buckets);
  const auto moment = [](std::int64_t at) { return std::clamp<std::int64_t>(at, 0, units_max); };
  put(bytes_, static_cast<std::int64_t>(step), 1);
  put(bytes_, moment(now), 7);
  put(bytes_, fixed ? moment(*fixed) + 1 : 0, 7);
  put(bytes_, static_cast<std::int64_t>(buckets), 1);
  put(bytes_, moment(time), 7);
  put(bytes_, may_have_ended ? 1 : 0, 1);
}

void OfficialArgument::add(const limits::OfficialTerms& terms, OfficialDetail detail) {
  put(bytes_, print_of(terms), 7);
  put(bytes_, bounded(detail.a), 7);
  put(bytes_, bounded(detail.b), 7);
  put(bytes_, bounded(detail.c), 7);
  put(bytes_, detail.flags, 1);
  put(bytes_, bounded(terms.refill), 7);
  put(bytes_, bounded(terms.period.count()), 7);
  put(bytes_, bounded(terms.capacity), 7);
  put(bytes_, static_cast<std::int64_t>(terms.how), 1);
}

std::string official_id(std::string_view reservation) {
  if (const auto uuid = Uuid::parse(reservation)) return std::string(as_text(uuid->bytes()));
  return std::string(as_text(sha256(reservation)).substr(0, 16));
}

std::string settled_key(std::string_view prefix, std::string_view id) {
  std::uint64_t made = 0;  // version 7: milliseconds
  for (const char byte : id.substr(0, 6)) made = made << 8 | static_cast<unsigned char>(byte);
  return std::string(prefix) + "settled|" + std::to_string(made / 2'000);
}

Result<OfficialState> official_state(std::string_view value) {
  Reader bytes(value);
  OfficialState state;
  bytes.text(15);  // terms
  state.slot_charged = bytes.next(7);
  state.slot = bytes.next(1);
  for (std::int64_t& top : state.top) top = bytes.next(7);
  bytes.text(7);  // their print
  state.slot_begin = bytes.next(7);
  bytes.text(28);  // what quick needs
  state.charged = bytes.next(7);
  state.at = bytes.next(7);
  bytes.text(7);  // held
  const std::int64_t holds = bytes.next(3);
  for (std::int64_t i = 0; i < holds && bytes.complete(); ++i) {
    limits::Hold hold{.until = bytes.next(7)};
    hold.worst = bytes.next(7);
    Uuid::Bytes id{};
    const std::string_view text = bytes.text(id.size());
    std::copy(text.begin(), text.end(), id.begin());
    hold.reservation = to_string(Uuid(id));
    state.holds.push_back(std::move(hold));
  }
  if (!bytes.complete()) return unexpected();
  return state;
}

Result<OfficialAnswer> official_answer(std::string_view reply) {
  Reader bytes(reply);
  OfficialAnswer answer{.number = static_cast<std::uint8_t>(bytes.next(1)), .views = {}};
  while (bytes.complete() && !bytes.at_end()) {
    limits::OfficialView view{.balance = bytes.next(7)};
    view.held = bytes.next(7);
    view.charged = bytes.next(7);
    answer.views.push_back(view);
  }
  if (!bytes.complete()) return unexpected();
  return answer;
}

Result<std::vector<std::string>> look_up_keys(std::string_view value) {
  Reader bytes(value);
  bytes.text(1);  // credited
  std::vector<std::string> keys;
  while (bytes.complete() && !bytes.at_end()) {
    bytes.text(14);  // tokens, charged then
    keys.emplace_back(bytes.text(static_cast<std::size_t>(bytes.next(2))));
  }
  if (!bytes.complete()) return unexpected();
  return keys;
}

}  // namespace chaveiro::redis
