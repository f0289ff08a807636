#include "clients/pulsar/topic_pattern.h"

#include <regex>

namespace chaveiro::clients::pulsar {
namespace {

constexpr std::string_view scheme = "persistent://";
constexpr std::string_view partition_mark = "-partition-";

}  // namespace

struct TopicPattern::Expression {
  std::regex compiled;
};

Result<TopicPattern> TopicPattern::parse(const std::string& text) {
  const std::size_t first = text.find('/', scheme.size());
  const std::size_t second = first == std::string::npos ? first : text.find('/', first + 1);
  if (!text.starts_with(scheme) || second == std::string::npos || second + 1 == text.size())
    return fail_field("pattern", "must look like persistent://tenant/namespace/expression");
  TopicPattern pattern;
  pattern.name_space_ = text.substr(scheme.size(), second - scheme.size());
  try {
    pattern.expression_ = std::make_shared<Expression>(Expression{std::regex(text.substr(second + 1))});
  } catch (const std::regex_error&) {
    return fail_field("pattern", "is no expression");
  }
  return pattern;
}

bool TopicPattern::matches(const std::string& topic) const {
  const std::string front = std::string(scheme) + name_space_ + "/";
  return topic.starts_with(front) &&
         std::regex_match(without_partition(topic).substr(front.size()), expression_->compiled);
}

std::string without_partition(const std::string& topic) { return topic.substr(0, topic.rfind(partition_mark)); }

}  // namespace chaveiro::clients::pulsar
