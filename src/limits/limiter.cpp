#include "limits/limiter.h"

#include <algorithm>
#include <map>

#include "base/random.h"

namespace chaveiro::limits {

// The rules in force, with what each of them counts into and its share for when the store is away.
struct Limiter::Live {
  struct Series {
    Counter* allowed;
    Counter* refused;
    Counter* would_refuse;
  };
  std::shared_ptr<const RuleSet> rules;
  std::map<std::string, Series, std::less<>> series;
  std::map<const Terms*, std::shared_ptr<const Terms>> shares;
};

// One call, from descriptors to decisions.
struct Limiter::Question {
  struct Part {
    std::size_t descriptor;
    Applied applied;
  };
  std::shared_ptr<const Live> live;
  std::vector<Part> parts;
  std::vector<Ask> asks;            // of the parts, in their order
  std::vector<Decision> decisions;  // the same
  Mode mode = Mode::take;
  bool without_store = false;
  bool wants_place = false;

  void add(std::size_t number, const Descriptor& descriptor, std::int64_t hits, std::int64_t holder) {
    for (Applied& applied : live->rules->match(descriptor)) {
      if (applied.terms == nullptr) continue;
      std::int64_t cost = 0;
      if (__builtin_mul_overflow(applied.rule->cost, hits, &cost)) cost = hits < 0 ? -units_max : units_max;
      if (applied.terms->limit.algorithm == Algorithm::concurrency) {
        wants_place = true;
        if (holder == 0) holder = 1 + static_cast<std::int64_t>(random_u64() % static_cast<std::uint64_t>(units_max));
      }
      asks.push_back({{}, applied.terms, cost, applied.rule->weight, holder});
      parts.push_back({number, std::move(applied)});
    }
  }
  void name_buckets() {
    for (std::size_t i = 0; i < asks.size(); ++i) asks[i].key = parts[i].applied.key;
    decisions.resize(asks.size());
  }
  Answer answer_of(std::size_t number) const {
    Answer answer;
    answer.without_store = without_store;
    for (std::size_t i = 0; i < parts.size(); ++i)
      if (parts[i].descriptor == number)
        answer.said.push_back({parts[i].applied.rule->name, parts[i].applied.key, asks[i].weight, decisions[i]});
    for (const Said& said : answer.said) {
      if (said.weight == Weight::shadow) continue;
      if (!said.decision.allowed) answer.allowed = false;
      if (answer.tightest == nullptr || tighter(said.decision, answer.tightest->decision)) answer.tightest = &said;
    }
    if (wants_place && answer.allowed && mode == Mode::take)
      for (std::size_t i = 0; i < parts.size(); ++i)
        if (parts[i].descriptor == number) answer.holder = std::max(answer.holder, asks[i].holder);
    return answer;
  }
  static bool tighter(const Decision& a, const Decision& b) {
    if (a.allowed != b.allowed) return b.allowed;
    return a.allowed ? a.remaining < b.remaining : a.retry_after > b.retry_after;
  }
};

Limiter::Limiter(LimiterOptions options, Store& store, std::shared_ptr<const RuleSet> rules, const Clock& clock,
                 Registry& metrics)
    : options_(options),
      store_(store),
      clock_(clock),
      metrics_(metrics),
      own_share_({.buckets_max = 100'000}, clock),
      store_away_(metrics.counter("rate_limit_store_away_total", "Questions that the store of limits did not answer.")),
      live_(prepare(std::move(rules))) {}
Limiter::~Limiter() = default;

std::shared_ptr<const Limiter::Live> Limiter::prepare(std::shared_ptr<const RuleSet> rules) {
  auto live = std::make_shared<Live>();
  const auto counter = [&](const std::string& rule, const char* allowed) {
    return &metrics_.counter("rate_limit_requests_total", "Questions to the limiter, by rule and answer.",
                             {{"rule", rule}, {"allowed", allowed}});
  };
  const auto share = [&](const std::shared_ptr<const Terms>& terms) {
    if (!terms) return;
    Limit part = terms->limit;
    part.amount /= std::max<std::int64_t>(1, options_.nodes_max);
    part.burst /= std::max<std::int64_t>(1, options_.nodes_max);
    // A burst that was smaller than the number of nodes leaves nothing: 0 would mean "as the amount".
    if (part.burst == 0 && terms->limit.burst > 0) part.amount = 0;
    if (auto made = make_terms(terms->rule, part, terms->on_change)) live->shares[terms.get()] = std::move(*made);
  };
  for (const Rule& rule : rules->rules()) {
    live->series[rule.name] = {
        counter(rule.name, "true"), counter(rule.name, "false"),
        &metrics_.counter("rate_limit_shadow_refusals_total", "Calls that a rule in shadow mode would have refused.",
                          {{"rule", rule.name}})};
    share(rule.terms);
    for (const auto& special : rule.overrides) share(special.terms);
  }
  live->rules = std::move(rules);
  return live;
}

void Limiter::replace(std::shared_ptr<const RuleSet> rules) {
  auto live = prepare(std::move(rules));
  live_.with([&](auto& current) { current.swap(live); });
  refusals_.with([](Refusals& refusals) { refusals.clear(); });
}

std::shared_ptr<const RuleSet> Limiter::rules() const { return live()->rules; }

Answer Limiter::ask(const Descriptor& descriptor, std::int64_t hits, Deadline deadline, Mode mode,
                    std::int64_t holder) {
  Question question{.live = live(), .mode = mode};
  question.add(0, descriptor, hits, holder);
  run(question, deadline);
  return question.answer_of(0);
}

std::vector<Answer> Limiter::ask_all(const std::vector<Part>& parts, Deadline deadline) {
  Question question{.live = live()};
  for (std::size_t i = 0; i < parts.size(); ++i) question.add(i, parts[i].descriptor, parts[i].hits, 0);
  run(question, deadline);
  std::vector<Answer> answers;
  for (std::size_t i = 0; i < parts.size(); ++i) answers.push_back(question.answer_of(i));
  return answers;
}

void Limiter::run(Question& question, Deadline deadline) {
  question.name_buckets();
  if (question.asks.empty()) return;
  if (!known_to_be_over(question)) {
    auto verdict = store_.take(question.asks, question.mode, deadline.capped(options_.store_time_max));
    if (verdict) {
      question.decisions = std::move(verdict->decisions);
      remember(question);
    } else {
      store_away_.add();
      ask_without_store(question);
    }
  }
  if (question.mode == Mode::take) count(question);
}

void Limiter::ask_without_store(Question& question) {
  question.without_store = true;
  constexpr Micros ask_again_after{1'000'000};
  std::vector<Ask> shared;
  std::vector<std::size_t> places;
  bool refused = false;
  for (std::size_t i = 0; i < question.asks.size(); ++i) {
    const Rule& rule = *question.parts[i].applied.rule;
    question.decisions[i] = {.allowed = rule.without_store != WithoutStore::deny,
                             .limit = question.asks[i].terms->numbers.capacity};
    if (rule.without_store == WithoutStore::deny) {
      question.decisions[i].retry_after = ask_again_after;
      refused |= question.asks[i].weight == Weight::binding;
    }
    const auto share = question.live->shares.find(question.asks[i].terms);
    if (rule.without_store != WithoutStore::share || share == question.live->shares.end()) continue;
    shared.push_back(question.asks[i]);
    shared.back().terms = share->second.get();
    places.push_back(i);
  }
  if (shared.empty()) return;
  // What another rule refuses anyway must not cost this one anything.
  const Mode mode = refused && question.mode == Mode::take ? Mode::peek : question.mode;
  const auto verdict = own_share_.take(shared, mode, Deadline::never());
  for (std::size_t i = 0; verdict && i < places.size(); ++i) question.decisions[places[i]] = verdict->decisions[i];
}

bool Limiter::known_to_be_over(Question& question) {
  if (!options_.store_is_far || options_.remembered_max == 0 || question.mode != Mode::take) return false;
  const SteadyTime now = clock_.steady();
  return refusals_.with([&](const Refusals& refusals) {
    if (refusals.empty()) return false;
    bool over = false;
    for (std::size_t i = 0; i < question.asks.size(); ++i) {
      question.decisions[i] = {.allowed = true, .limit = question.asks[i].terms->numbers.capacity};
      const auto known = refusals.find(question.parts[i].applied.key);
      if (known == refusals.end() || known->second.until <= now || question.asks[i].cost < known->second.cost) continue;
      question.decisions[i] = known->second.decision;
      question.decisions[i].retry_after = std::chrono::duration_cast<Micros>(known->second.until - now);
      over |= question.asks[i].weight == Weight::binding;
    }
    return over;
  });
}

void Limiter::remember(const Question& question) {
  if (!options_.store_is_far || options_.remembered_max == 0 || question.mode != Mode::take) return;
  constexpr Micros remembered_time_max{1'000'000};  // another node may reset the bucket
  const SteadyTime now = clock_.steady();
  for (std::size_t i = 0; i < question.asks.size(); ++i) {
    const Decision& decision = question.decisions[i];
    const bool gives_back = question.asks[i].terms->limit.algorithm == Algorithm::concurrency;
    if (decision.allowed || question.asks[i].weight == Weight::shadow || gives_back) continue;
    refusals_.with([&](Refusals& refusals) {
      if (refusals.size() >= options_.remembered_max)
        std::erase_if(refusals, [&](const auto& it) { return it.second.until <= now; });
      if (refusals.size() >= options_.remembered_max) return;
      refusals[question.parts[i].applied.key] = {now + std::min(decision.retry_after, remembered_time_max),
                                                 question.asks[i].cost, decision};
    });
  }
}

void Limiter::count(const Question& question) const {
  for (std::size_t i = 0; i < question.parts.size(); ++i) {
    const auto found = question.live->series.find(question.parts[i].applied.rule->name);
    if (found == question.live->series.end()) continue;
    const bool allowed = question.decisions[i].allowed;
    if (question.asks[i].weight == Weight::shadow && !allowed) found->second.would_refuse->add();
    (allowed || question.asks[i].weight == Weight::shadow ? found->second.allowed : found->second.refused)->add();
  }
}

void Limiter::release(const Descriptor& descriptor, std::int64_t holder, Deadline deadline) {
  Question question{.live = live()};
  question.add(0, descriptor, 1, holder);
  question.name_buckets();
  for (const Ask& ask : question.asks) {
    if (ask.terms->limit.algorithm != Algorithm::concurrency) continue;
    // A place that cannot be given back ends with its lease.
    static_cast<void>(store_.release(ask, deadline.capped(options_.store_time_max)));
    Ask share = ask;
    if (const auto found = question.live->shares.find(ask.terms); found != question.live->shares.end())
      share.terms = found->second.get();
    static_cast<void>(own_share_.release(share, deadline));
  }
}

Result<void> Limiter::reset(std::string_view key, Deadline deadline) {
  TRY_VOID(store_.reset(key, deadline));
  TRY_VOID(own_share_.reset(key, deadline));
  refusals_.with([&](Refusals& refusals) { refusals.erase(std::string(key)); });
  return {};
}

Result<std::vector<BucketView>> Limiter::busiest(std::string_view rule, std::size_t most, Deadline deadline) {
  return store_.busiest(rule, most, deadline);
}

Error refusal(const Answer& answer) {
  Error error = fail(Code::exhausted, "RateLimited", "too many requests");
  if (answer.tightest == nullptr) return error;
  const Said& said = *answer.tightest;
  error.message = "the limit " + said.rule + " of " + std::to_string(said.decision.limit) + " is reached";
  error.violations.push_back({said.rule, "is reached"});
  if (said.decision.retry_after != never)
    error.retry_after = std::chrono::ceil<std::chrono::milliseconds>(said.decision.retry_after);
  return error;
}

}  // namespace chaveiro::limits
