#include "base/one_of_many.h"

namespace chaveiro {
namespace {

Counter& rounds(Registry& metrics, const std::string& job, const char* as) {
  return metrics.counter(
      "job_rounds_total",
      "Rounds of jobs that one of the nodes does: run as the leader, left to the leader (follower), or run "
      "without knowing who leads (cut_off).",
      {{"job", job}, {"as", as}});
}

}  // namespace

OneOfMany::Elected::Elected(const OneOfManyOptions& options, Leases& leases, const Clock& clock, Logger log,
                            Registry& metrics)
    : terms(metrics.counter("job_terms_total", "How often this node took a job over that one of the nodes does.",
                            {{"job", options.job}})),
      led(rounds(metrics, options.job, "leader")),
      followed(rounds(metrics, options.job, "follower")),
      cut_off(rounds(metrics, options.job, "cut_off")),
      election({.name = options.job + ":" + options.installation,
                .duration = options.lease_time,
                .on_change = [this](std::optional<std::uint64_t> term) { terms.add(term ? 1 : 0); }},
               leases, clock, std::move(log)),
      leads(metrics.watch_gauge("job_leader", "1: this node does the job that one of the nodes does.",
                                {{"job", options.job}},
                                [this] { return election.standing() == Standing::leads ? 1.0 : 0.0; })) {}

OneOfMany::OneOfMany(OneOfManyOptions options, Leases* leases, const Clock& clock, Logger log, Registry& metrics)
    : options_(std::move(options)) {
  if (leases != nullptr) elected_.emplace(options_, *leases, clock, std::move(log), metrics);
}

Result<void> OneOfMany::run(Deadline deadline, const Round& round) {
  if (!elected_) return round([] { return true; });
  switch (elected_->election.wait_until_known(deadline.capped(options_.lease_time / 5))) {
    case Standing::leads:
      elected_->led.add();
      break;
    case Standing::cut_off:
      elected_->cut_off.add();
      break;
    case Standing::follows:
    case Standing::unknown:
      elected_->followed.add();
      return {};
  }
  return round([this] {
    const Standing standing = elected_->election.standing();
    return standing == Standing::leads || standing == Standing::cut_off;
  });
}

Result<void> OneOfMany::leave(Deadline deadline) {
  return elected_ ? elected_->election.resign(deadline) : Result<void>();
}

}  // namespace chaveiro
