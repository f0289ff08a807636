#include "clients/redis/wire/session.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace chaveiro::redis {
namespace {

constexpr std::array message_words{"message",    "pmessage",    "smessage",     "subscribe",    "psubscribe",
                                   "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe", "invalidate"};

std::string_view first_word(const Value& value) {
  return !value.items.empty() && value.items.front().is_text() ? std::string_view(value.items.front().text)
                                                               : std::string_view();
}

}  // namespace

Result<void> Session::push(Request& request, SteadyTime now) {
  if (pending_.size() >= options_.in_flight_max)
    return fail(Code::exhausted, "TooManyInFlight", "Redis: too many commands in flight");
  if (out_.size() + request.command.wire_size() > options_.out_bytes_max && !out_.empty()) {
    return fail(Code::exhausted, "TooManyInFlight", "Redis: too many bytes wait to be written");
  }
  Pending pending;
  pending.begins_at = appended_;
  const std::size_t size_before = out_.size();
  if (request.asking) {
    out_.append("*1\r\n$6\r\nASKING\r\n");
    pending.before = 1;
  }
  request.command.append_to(out_);
  if (options_.wait_replicas > 0 && request.command.access() != Access::read && !request.pinned) {
    Command("WAIT", options_.wait_replicas, options_.wait_timeout / std::chrono::milliseconds{1}).append_to(out_);
    pending.waits = true;
  }
  appended_ += out_.size() - size_before;
  if (request.command.subscribes()) {
    pending.pushes = static_cast<std::uint32_t>(request.command.size() - 1);
    subscribed_ = true;
  }
  if (request.command.patience() == Patience::blocking || pending.waits) ++blocking_;
  if (request.began == SteadyTime{}) request.began = now;
  if (request.done) next_deadline_ = std::min(next_deadline_, request.deadline);
  pending.request = std::move(request);
  pending_.push_back(std::move(pending));
  return {};
}

bool Session::is_push(const Value& value) const {
  if (value.kind == Kind::push) return true;
  if (!subscribed_ || value.kind != Kind::array) return false;
  const std::string_view word = first_word(value);
  return std::ranges::find(message_words, word) != message_words.end();
}

void Session::hand_out(Value&& value, Answered& out) {
  Pending pending = pending_.pop_front();
  if (pending.request.command.patience() == Patience::blocking || pending.waits) --blocking_;
  out.request = std::move(pending.request);
  out.value = std::move(value);
}

bool Session::on_push(Value& value, Answered& out) {
  if (!pending_.empty() && pending_.front().pushes > 0 &&
      equal_ignoring_ascii_case(first_word(value), pending_.front().request.command.name())) {
    if (--pending_.front().pushes > 0) return false;
    hand_out(std::move(value), out);
    return true;
  }
  out.request.reset();
  out.value = std::move(value);
  return true;
}

bool Session::on_reply(Value&& value, Answered& out) {
  if (is_push(value)) return on_push(value, out);
  if (pending_.empty()) {
    faulty_ = true;
    return false;
  }
  Pending& front = pending_.front();
  if (front.before > 0) {
    --front.before;
    return false;
  }
  if (front.waits && !front.held) {
    front.held = std::make_unique<Value>(std::move(value));
    return false;
  }
  if (front.waits) {
    const bool enough = value.kind == Kind::integer && value.integer >= options_.wait_replicas;
    Value own = std::move(*front.held);
    if (!own.is_error() && !enough) own = Value::of_error("NOTREPLICATED too few replicas have it so far");
    hand_out(std::move(own), out);
    return true;
  }
  hand_out(std::move(value), out);
  return true;
}

void Session::expire(SteadyTime now, std::vector<Lost>& out) {
  if (now < next_deadline_) return;
  next_deadline_ = SteadyTime::max();
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    Pending& pending = pending_[i];
    if (!pending.request.done) continue;
    if (pending.request.deadline > now) {
      next_deadline_ = std::min(next_deadline_, pending.request.deadline);
      continue;
    }
    Request given;
    given.command = pending.request.command;
    given.deadline = pending.request.deadline;
    given.done = std::move(pending.request.done);
    given.began = pending.request.began;
    given.pinned = pending.request.pinned;
    // Its bytes are in the stream and will reach the server if the connection lives.
    out.push_back({std::move(given), true});
  }
}

void Session::lose(std::vector<Lost>& out) {
  while (!pending_.empty()) {
    Pending pending = pending_.pop_front();
    const bool was_sent = sent(pending);
    out.push_back({std::move(pending.request), was_sent});
  }
  out_.clear();
  appended_ = written_ = 0;
  blocking_ = 0;
  subscribed_ = faulty_ = false;
  next_deadline_ = SteadyTime::max();
}

}  // namespace chaveiro::redis
