#include "limits/waiting.h"

#include <algorithm>

namespace chaveiro::limits {

std::size_t Turns::waiting() const {
  return queues_.with([](const Queues& it) { return it.waiting; });
}

void Turns::poke() {
  queues_.with([](Queues& it) { ++it.pokes; });
  queues_.notify_all();
}

void Turns::leave(const std::string& subject, std::uint64_t ticket) {
  queues_.with([&](Queues& it) {
    const auto queue = it.by_subject.find(subject);
    std::erase(queue->second, ticket);
    if (queue->second.empty()) it.by_subject.erase(queue);
    --it.waiting;
  });
  queues_.notify_all();
}

Result<void> Turns::wait(const std::string& subject, Deadline deadline, const std::function<Result<void>()>& ask) {
  const auto ticket = queues_.with([&](Queues& it) -> std::uint64_t {
    if (it.waiting >= options_.waiting_max && options_.waiting_max > 0) return 0;
    ++it.waiting;
    it.by_subject[subject].push_back(it.next_ticket);
    return it.next_ticket++;
  });
  if (ticket == 0) return fail(Code::exhausted, "RateLimited", "too many calls wait for this limit");
  struct Leaving {
    Turns& turns;
    const std::string& subject;
    std::uint64_t ticket;
    ~Leaving() { turns.leave(subject, ticket); }
  } leaving{*this, subject, ticket};

  for (;;) {
    {
      auto it = queues_.lock();
      if (!it.wait(deadline, [&](const Queues& now) { return now.by_subject.at(subject).front() == ticket; }))
        return fail(Code::deadline, "DeadlineExceeded", "the limit admitted nobody before us in time");
    }
    Result<void> asked = ask();
    if (asked || asked.error().code != Code::exhausted || !asked.error().retry_after) return asked;
    const Micros wait = *asked.error().retry_after;
    if (options_.waiting_max == 0 || wait > deadline.remaining()) return asked;
    const SteadyTime until = clock_.steady() + wait;
    auto it = queues_.lock();
    const std::uint64_t seen = it->pokes;
    // Our clock may be one that is moved by hand: then a poke ends the wait, not the time.
    it.wait(deadline.capped(wait), [&](const Queues& now) { return now.pokes != seen && clock_.steady() >= until; });
    if (deadline.expired()) return fail(Code::deadline, "DeadlineExceeded", "the limit did not admit the call in time");
  }
}

Answer Waiting::peek(const Descriptor& descriptor, std::int64_t hits, Deadline deadline) {
  return limiter_.ask(descriptor, hits, deadline, Mode::peek);
}

Result<Answer> Waiting::acquire(const Descriptor& descriptor, std::int64_t hits, Deadline deadline) {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : descriptor) {
    values.push_back(key);
    values.push_back(value);
  }
  Answer answer;
  TRY_VOID(turns_.wait(bucket_key("", values), deadline, [&]() -> Result<void> {
    answer = limiter_.ask(descriptor, hits, deadline);
    if (answer.allowed) return {};
    return refusal(answer);
  }));
  return answer;
}

}  // namespace chaveiro::limits
