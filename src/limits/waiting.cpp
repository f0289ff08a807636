#include "limits/waiting.h"

#include <algorithm>

namespace chaveiro::limits {

Waiting::Waiting(WaitingOptions options, Limiter& limiter, const Clock& clock)
    : options_(options), limiter_(limiter), clock_(clock) {}

Answer Waiting::peek(const Descriptor& descriptor, std::int64_t hits, Deadline deadline) {
  return limiter_.ask(descriptor, hits, deadline, Mode::peek);
}

std::size_t Waiting::waiting() const {
  return queues_.with([](const Queues& it) { return it.waiting; });
}

void Waiting::poke() {
  queues_.with([](Queues& it) { ++it.pokes; });
  queues_.notify_all();
}

void Waiting::leave(const std::string& subject, std::uint64_t ticket) {
  queues_.with([&](Queues& it) {
    const auto queue = it.by_subject.find(subject);
    std::erase(queue->second, ticket);
    if (queue->second.empty()) it.by_subject.erase(queue);
    --it.waiting;
  });
  queues_.notify_all();
}

Result<Answer> Waiting::acquire(const Descriptor& descriptor, std::int64_t hits, Deadline deadline) {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : descriptor) {
    values.push_back(key);
    values.push_back(value);
  }
  const std::string subject = bucket_key("", values);
  const auto ticket = queues_.with([&](Queues& it) -> std::uint64_t {
    if (it.waiting >= options_.waiting_max && options_.waiting_max > 0) return 0;
    ++it.waiting;
    it.by_subject[subject].push_back(it.next_ticket);
    return it.next_ticket++;
  });
  if (ticket == 0) return fail(Code::exhausted, "RateLimited", "too many calls wait for this limit");
  struct Leaving {
    Waiting& queue;
    const std::string& subject;
    std::uint64_t ticket;
    ~Leaving() { queue.leave(subject, ticket); }
  } leaving{*this, subject, ticket};

  for (;;) {
    {
      auto it = queues_.lock();
      if (!it.wait(deadline, [&](const Queues& now) { return now.by_subject.at(subject).front() == ticket; }))
        return fail(Code::deadline, "DeadlineExceeded", "the limit admitted nobody before us in time");
    }
    Answer answer = limiter_.ask(descriptor, hits, deadline);
    if (answer.allowed) return answer;
    const Micros wait = answer.tightest->decision.retry_after;
    if (options_.waiting_max == 0 || wait == never || wait > deadline.remaining()) return refusal(answer);
    const SteadyTime until = clock_.steady() + wait;
    auto it = queues_.lock();
    const std::uint64_t seen = it->pokes;
    // Our clock may be one that is moved by hand: then a poke ends the wait, not the time.
    it.wait(deadline.capped(wait), [&](const Queues& now) { return now.pokes != seen && clock_.steady() >= until; });
    if (deadline.expired()) return fail(Code::deadline, "DeadlineExceeded", "the limit did not admit the call in time");
  }
}

}  // namespace chaveiro::limits
