#include "cache/warming.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <thread>

#include "base/file.h"
#include "base/text.h"

namespace chaveiro::cache {

KeySpace KeySpace::list(std::vector<std::string> keys) {
  const auto shared = std::make_shared<const std::vector<std::string>>(std::move(keys));
  return {shared->size(), [shared](std::uint64_t i) { return (*shared)[i]; }};
}

KeySpace KeySpace::range(std::string prefix, std::uint64_t first, std::uint64_t last) {
  return {last < first ? 0 : last - first + 1,
          [prefix = std::move(prefix), first](std::uint64_t i) { return prefix + std::to_string(first + i); }};
}

KeySpace KeySpace::product(std::string pattern, std::vector<std::vector<std::string>> dimensions) {
  std::uint64_t size = 1;
  for (const auto& dimension : dimensions) size *= dimension.size();
  const auto shared = std::make_shared<const std::vector<std::vector<std::string>>>(std::move(dimensions));
  return {size, [shared, pattern = std::move(pattern)](std::uint64_t index) {
            std::string key = pattern;
            for (std::size_t d = shared->size(); d-- > 0;) {
              const auto& values = (*shared)[d];
              const std::string mark = "{" + std::to_string(d) + "}";
              const std::string& value = values[index % values.size()];
              index /= values.size();
              for (std::size_t at = key.find(mark); at != std::string::npos; at = key.find(mark, at + value.size()))
                key.replace(at, mark.size(), value);
            }
            return key;
          }};
}

KeySpace KeySpace::chain(std::vector<KeySpace> spaces) {
  std::uint64_t size = 0;
  for (const KeySpace& space : spaces) size += space.size();
  return {size, [spaces = std::move(spaces)](std::uint64_t index) {
            for (const KeySpace& space : spaces) {
              if (index < space.size()) return space.at(index);
              index -= space.size();
            }
            return std::string();
          }};
}

std::string_view to_string(WarmProgress::End end) {
  switch (end) {
    case WarmProgress::End::running:
      return "running";
    case WarmProgress::End::complete:
      return "complete";
    case WarmProgress::End::budget:
      return "budget used up";
    case WarmProgress::End::failures:
      return "too many failures";
    case WarmProgress::End::deadline:
      return "out of time";
    case WarmProgress::End::stopped:
      return "stopped";
  }
  return "";
}

std::string progress_bar(const WarmProgress& progress) {
  const std::uint64_t total = std::max<std::uint64_t>(progress.total, 1);
  const auto share = progress.total == 0 ? 1.0 : static_cast<double>(progress.position) / static_cast<double>(total);
  const auto filled = static_cast<std::size_t>(share * 30);
  return "[" + std::string(filled, '#') + std::string(30 - filled, '.') + "] " +
         std::to_string(static_cast<int>(share * 100)) + " %  " + std::to_string(progress.position) + "/" +
         std::to_string(progress.total) + "  loaded " + std::to_string(progress.loaded) + ", present " +
         std::to_string(progress.present) + ", failed " + std::to_string(progress.failed);
}

std::uint64_t Warmer::place(std::uint64_t index) const {
  const std::uint64_t size = plan_.keys.size();
  if (plan_.order == WarmPlan::Order::backward) return size - 1 - index;
  if (plan_.order == WarmPlan::Order::forward || size < 3) return index;
  // A stride near the golden section, coprime to the size: every key once.
  auto stride = static_cast<std::uint64_t>(static_cast<double>(size) * 0.6180339887) | 1;
  while (std::gcd(stride, size) != 1) stride += 2;
  return static_cast<std::uint64_t>(static_cast<unsigned long long>(index) % size * (stride % size) % size);
}

Result<std::uint64_t> Warmer::remembered() const {
  if (plan_.resume_file.empty()) return std::uint64_t{0};
  auto text = read_file(plan_.resume_file, 4'096);
  if (!text)
    return text.error().code == Code::not_found ? Result<std::uint64_t>(0) : Result<std::uint64_t>(text.error());
  // "position total": another plan under the same name begins anew.
  const std::string_view line = trim(*text);
  const std::size_t space = line.find(' ');
  const auto position = parse_uint(line.substr(0, space));
  const auto total = space == std::string_view::npos ? Result<std::uint64_t>(0) : parse_uint(line.substr(space + 1));
  return position && total && *total == plan_.keys.size() && *position < *total ? *position : 0;
}

void Warmer::stop() {
  state_.with([](State& state) { state.stop = true; });
  state_.notify_all();
}

Result<WarmProgress> Warmer::run(const Load& load, const Tell& tell, Deadline deadline) {
  TRY(const std::uint64_t from, remembered());
  const SteadyTime begin = clock_.steady();
  state_.with(
      [&](State& state) { state = State{.progress = {.total = plan_.keys.size(), .position = from}, .next = from}; });
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < std::max<std::size_t>(plan_.concurrency, 1); ++i)
      threads.emplace_back([&] { work(load, tell, deadline, begin); });
  }
  const WarmProgress progress = state_.with([&](State& state) {
    if (state.progress.position == state.progress.total) state.progress.end = WarmProgress::End::complete;
    state.progress.elapsed = std::chrono::duration_cast<Micros>(clock_.steady() - begin);
    return state.progress;
  });
  if (!plan_.resume_file.empty()) {
    const std::uint64_t position = progress.end == WarmProgress::End::complete ? 0 : progress.position;
    TRY_VOID(write_file(plan_.resume_file, std::to_string(position) + " " + std::to_string(progress.total) + "\n"));
  }
  if (tell) tell(progress);
  return progress;
}

void Warmer::work(const Load& load, const Tell& tell, Deadline deadline, SteadyTime begin) {
  std::uint64_t index = 0;
  while (take(index, deadline, begin))
    done(index, load(plan_.keys.at(place(index)), deadline.capped(plan_.key_time_max)), tell, begin);
}

bool Warmer::take(std::uint64_t& index, Deadline deadline, SteadyTime begin) {
  auto state = state_.lock();
  const auto end = [&](WarmProgress::End why) {
    if (state->progress.end == WarmProgress::End::running) state->progress.end = why;
    return false;
  };
  // Loads under way may each cost one of the budget.
  const auto spent = [&] {
    return state->progress.loaded + (state->next - state->progress.position) -
           static_cast<std::uint64_t>(std::ranges::count(state->done, true));
  };
  for (;;) {
    if (state->progress.end != WarmProgress::End::running) return false;
    if (state->stop) return end(WarmProgress::End::stopped);
    if (deadline.expired()) return end(WarmProgress::End::deadline);
    if (state->next == state->progress.total) return false;
    if (plan_.loads_max != 0 && state->progress.loaded >= plan_.loads_max) return end(WarmProgress::End::budget);
    if (plan_.loads_max != 0 && spent() >= plan_.loads_max) {
      // Whether the budget holds another is known when one of those under way has ended.
      const std::uint64_t tried = state->progress.loaded + state->progress.present + state->progress.failed;
      (void)state.wait(deadline, [&](const State& it) {
        return it.stop || it.progress.loaded + it.progress.present + it.progress.failed != tried;
      });
      continue;
    }
    if (plan_.rate > 0) {
      const auto due = begin + std::chrono::duration_cast<SteadyTime::duration>(
                                   std::chrono::duration<double>(static_cast<double>(state->begun) / plan_.rate));
      const auto wait = std::chrono::duration_cast<Micros>(due - clock_.steady());
      if (wait > Micros{0}) {
        (void)state.wait(deadline.capped(wait), [](const State& it) { return it.stop; });
        continue;
      }
    }
    index = state->next++;
    ++state->begun;
    state->done.push_back(false);
    return true;
  }
}

void Warmer::done(std::uint64_t index, const Result<Step>& result, const Tell& tell, SteadyTime begin) {
  std::optional<WarmProgress> told;
  {
    auto state = state_.lock();
    WarmProgress& progress = state->progress;
    state->done[index - progress.position] = true;
    std::size_t passed = 0;
    while (passed < state->done.size() && state->done[passed]) ++passed;
    state->done.erase(state->done.begin(), state->done.begin() + static_cast<std::ptrdiff_t>(passed));
    progress.position += passed;
    ++(!result ? progress.failed : *result == Step::loaded ? progress.loaded : progress.present);
    state->failures_in_a_row = result ? 0 : state->failures_in_a_row + 1;
    if (plan_.failures_max != 0 && state->failures_in_a_row >= plan_.failures_max &&
        progress.end == WarmProgress::End::running)
      progress.end = WarmProgress::End::failures;
    progress.elapsed = std::chrono::duration_cast<Micros>(clock_.steady() - begin);
    const std::uint64_t tried = progress.loaded + progress.present + progress.failed;
    const std::uint64_t step = std::max<std::uint64_t>(progress.total / 100, 1);
    if (tried % step == 0) told = progress;
    if (told && tell) tell(*told);
    if (told && !plan_.resume_file.empty())
      (void)write_file(plan_.resume_file,
                       std::to_string(progress.position) + " " + std::to_string(progress.total) + "\n");
  }
  state_.notify_all();
}

}  // namespace chaveiro::cache
