#include "clients/redis/idempotency_store.h"

#include <algorithm>

#include "base/encoding.h"
#include "clients/redis/value.h"

namespace chaveiro::redis {
namespace {

// A key holds: body (hex of its hash), fence, lease (until when, ms), status and answer once there is one.
// Answers: {"first", fence} {"done", status, answer} {"working", ms left} {"other"}.
constexpr std::string_view begin_text = R"lua(
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local row = redis.call('HMGET', KEYS[1], 'body', 'lease', 'status', 'answer')
if row[1] and row[1] ~= ARGV[1] then return {'other'} end
if row[3] then return {'done', tonumber(row[3]), row[4]} end
if row[2] and tonumber(row[2]) > now then return {'working', tonumber(row[2]) - now} end
local fence = redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'body', ARGV[1], 'fence', fence, 'lease', string.format('%.0f', now + tonumber(ARGV[2])))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'first', fence}
)lua";

constexpr std::string_view finish_text = R"lua(
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('DEL', KEYS[1]) return 1 end
redis.call('HSET', KEYS[1], 'status', ARGV[3], 'answer', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
)lua";

const Script& begin_script() {
  static const Script script(begin_text, Access::write);
  return script;
}
const Script& finish_script() {
  static const Script script(finish_text, Access::idempotent);
  return script;
}

std::string ms(Micros time) {
  return std::to_string(std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::milliseconds>(time).count()));
}

Error unexpected() {
  return fail(Code::corrupt, "UnexpectedReply", "the script of request ids answered in another shape");
}

}  // namespace

Result<limits::Begun> IdempotencyStore::begin(const limits::IdempotencyKey& key, Micros lease, Deadline deadline) {
  const std::string row = options_.prefix + key.key;
  const std::string fences = options_.prefix + "fence";
  const std::string body = to_hex(key.body);
  const std::string lease_ms = lease <= Micros{0} ? "0" : ms(lease);
  const std::string keep_ms = ms(options_.keep);
  const std::string_view keys[] = {row, fences};
  const std::string_view args[] = {body, lease_ms, keep_ms};
  TRY(const Value reply, checked(client_.eval(begin_script(), keys, args, deadline)));
  if (reply.items.empty()) return unexpected();
  const std::string& kind = reply.items[0].text;
  using Found = limits::Begun::Kind;
  if (kind == "other") return limits::Begun{.kind = Found::other_body};
  if (kind == "first" && reply.items.size() == 2)
    return limits::Begun{.kind = Found::first, .fence = static_cast<std::uint64_t>(reply.items[1].integer)};
  if (kind == "working" && reply.items.size() == 2)
    return limits::Begun{.kind = Found::in_progress, .lease_left = std::chrono::milliseconds{reply.items[1].integer}};
  if (kind != "done" || reply.items.size() != 3) return unexpected();
  return limits::Begun{.kind = Found::done, .answer = {static_cast<int>(reply.items[1].integer), reply.items[2].text}};
}

Result<void> IdempotencyStore::finish(const limits::IdempotencyKey& key, std::uint64_t fence,
                                      const limits::StoredAnswer& answer, Deadline deadline) {
  if (answer.body.size() > options_.answer_bytes_max) return abandon(key, fence, deadline);
  const std::string row = options_.prefix + key.key;
  const std::string fence_text = std::to_string(fence);
  const std::string keep_ms = ms(options_.keep);
  const std::string status = std::to_string(answer.status);
  const std::string_view keys[] = {row};
  const std::string_view args[] = {fence_text, keep_ms, status, answer.body};
  TRY(const bool ours, as_flag(client_.eval(finish_script(), keys, args, deadline)));
  if (!ours) return fail(Code::conflict, "LeaseLost", "another call has taken this request over");
  return {};
}

Result<void> IdempotencyStore::abandon(const limits::IdempotencyKey& key, std::uint64_t fence, Deadline deadline) {
  const std::string row = options_.prefix + key.key;
  const std::string fence_text = std::to_string(fence);
  const std::string_view keys[] = {row};
  const std::string_view args[] = {fence_text, "1", "", ""};
  return expect_ok(client_.eval(finish_script(), keys, args, deadline));
}

}  // namespace chaveiro::redis
