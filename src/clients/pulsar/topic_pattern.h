// clients/pulsar/topic_pattern.h
//
// Which topics a pattern means: "persistent://tenant/namespace/expression", the last part an ECMAScript expression that must match all of
// a topic's own name (without partition).
//
// Threads: a value; matching any.
// Errors:  invalid, field "pattern".
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace chaveiro::clients::pulsar {

class TopicPattern {
 public:
  static Result<TopicPattern> parse(const std::string& text);
  const std::string& name_space() const { return name_space_; }  // "tenant/namespace"
  // A whole name; one of a partition counts as its topic's.
  bool matches(const std::string& topic) const;

 private:
  struct Expression;
  std::string name_space_;
  std::shared_ptr<const Expression> expression_;
};

// Without "-partition-N".
std::string without_partition(const std::string& topic);

}  // namespace chaveiro::clients::pulsar
