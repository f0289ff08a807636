// limits/rules.h
//
// Rules: which calls a limit applies to. A call is described by pairs (ip, ispb, operation, account, …); a rule says which pairs it
// matches, and which of them make a subject with a bucket of its own.
//
//   rules:
//     - name: create_entry
//       match: {operation: CreateKey}     # all of these; a list of values: any of them
//       per: [ispb]                       # each value has a bucket of its own; the pair must be there
//       limit: {amount: 100, period: 1m, algorithm: token_bucket, burst: 100}     # or `unlimited: true`
//       cost: 1
//       shadow: false                     # true: counted and told, nobody is refused
//       priority: 0                       # of the matching rules with the same `per`, those of the highest priority apply
//       on_change: as_is                  # as_is, proportion, additive, reset: what a changed limit does to what was counted
//       without_store: deny               # deny, allow, share: while the store is away
//       lease: false                      # true: nodes may hold shares of a bucket (leased_store.h)
//       overrides:
//         - match: {ispb: "12345678"}     # values of `per`
//           limit: {amount: 1000, period: 1m}
//
// All rules that apply are asked together: all or nothing. Files of envoyproxy/ratelimit (domain, nested descriptors, unlimited,
// shadow_mode) are read too: there the pairs are ordered, and the one most precise path applies.
//
// Threads: a RuleSet never changes; share it.
// Errors:  invalid, one violation for each fault of the file, all at once, each naming line and column.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limits/store.h"

namespace chaveiro::limits {

// What a call is, for matching. The texts live as long as the call.
using Descriptor = std::vector<std::pair<std::string_view, std::string_view>>;

enum class WithoutStore : std::uint8_t { deny = 1, allow, share };
std::string_view to_string(WithoutStore without);

struct Rule {
  struct Match {
    std::string key;
    std::vector<std::string> values;  // any of these
  };
  struct Override {
    std::vector<Match> match;            // keys of `per`, one value each
    std::shared_ptr<const Terms> terms;  // null: unlimited
  };

  std::string name;
  std::vector<Match> match;
  std::vector<std::string> per;
  std::shared_ptr<const Terms> terms;  // null: unlimited
  std::int64_t cost = 1;
  Weight weight = Weight::binding;
  std::int64_t priority = 0;
  WithoutStore without_store = WithoutStore::deny;
  Lease lease = Lease::no;
  std::vector<Override> overrides;
};

// A rule that applies to a call.
struct Applied {
  const Rule* rule = nullptr;
  const Terms* terms = nullptr;  // null: unlimited
  std::string key;               // of the bucket
};

class RuleSet {
 public:
  // Our own form. Errors: all faults of the file.
  static Result<std::shared_ptr<const RuleSet>> read(std::string_view yaml);
  // The form of envoyproxy/ratelimit: one domain a file.
  static Result<std::shared_ptr<const RuleSet>> read_envoy(std::string_view yaml);
  static Result<std::shared_ptr<const RuleSet>> of(std::vector<Rule> rules);

  const std::string& domain() const { return domain_; }
  const std::vector<Rule>& rules() const { return rules_; }
  std::vector<Applied> match(const Descriptor& descriptor) const;

 private:
  friend class EnvoyReader;
  // A level of an Envoy file: by "key=value", by "key=prefix*", by "key".
  struct Prefix;
  struct Level {
    std::map<std::string, Level, std::less<>> exact;
    std::vector<Prefix> prefixes;  // longest first
    std::map<std::string, Level, std::less<>> any;
    std::optional<std::size_t> rule;  // of rules_
  };
  struct Prefix {
    std::string text;
    Level level;
  };

  bool applies(const Rule& rule, const Descriptor& descriptor) const;
  void match_path(const Descriptor& descriptor, std::vector<Applied>& found) const;

  std::string domain_;
  std::vector<Rule> rules_;
  std::optional<Level> paths_;  // set where it came from an Envoy file
};

// A bucket's key: the rule and the values of its subject, so that no two subjects meet.
std::string bucket_key(std::string_view rule, const std::vector<std::string_view>& values);

}  // namespace chaveiro::limits
