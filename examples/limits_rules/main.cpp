// Limits in a project of its own: rules from YAML, asked for each call; buckets in memory.
#include <cstdio>

#include "limits/limiter.h"

int main() {
  using namespace chaveiro;
  const SystemClock clock;
  Registry metrics;
  limits::MemoryStore store({}, clock);
  const auto rules = limits::RuleSet::read(R"(
rules:
  - name: letters
    per: [sender]
    limit: {amount: 3, period: 1h}
)");
  if (!rules) return std::fprintf(stderr, "%s\n", rules.error().message.c_str()), 1;
  limits::Limiter limiter({}, store, *rules, clock, metrics);

  int sent = 0;
  for (int letter = 1; letter <= 5; ++letter) {
    const limits::Answer answer = limiter.ask({{"sender", "ana"}}, 1, Deadline::never());
    if (answer.allowed) {
      ++sent;
      std::printf("letter %d is sent, %lld left\n", letter,
                  static_cast<long long>(answer.tightest->decision.remaining));
    } else {
      std::printf("letter %d must wait: %s\n", letter, limits::refusal(answer).message.c_str());
    }
  }
  return sent == 3 ? 0 : 1;
}
