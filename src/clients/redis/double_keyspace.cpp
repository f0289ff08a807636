#include "clients/redis/double_keyspace.h"

#include <charconv>

namespace chaveiro::redis {

std::string double_upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return upper;
}

std::optional<std::int64_t> double_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool double_matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    return double_matches(pattern.substr(1), text) || (!text.empty() && double_matches(pattern, text.substr(1)));
  }
  return !text.empty() && (pattern.front() == '?' || pattern.front() == text.front()) &&
         double_matches(pattern.substr(1), text.substr(1));
}

DoubleKeyspace::Key* DoubleKeyspace::find(const std::string& key) {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return nullptr;
  if (found->second.until && *found->second.until <= now()) {
    keys_.erase(found);
    touch(key);
    return nullptr;
  }
  return &found->second;
}

void DoubleKeyspace::set(const std::string& key, DoubleValue value, std::optional<UtcTime> until) {
  keys_[key] = {std::move(value), until};
  touch(key);
}

bool DoubleKeyspace::erase(const std::string& key) {
  if (find(key) == nullptr) return false;
  keys_.erase(key);
  touch(key);
  return true;
}

void DoubleKeyspace::clear() {
  keys_.clear();
  touch("");
}

void DoubleKeyspace::expire() {
  std::vector<std::string> over;
  for (const auto& [name, key] : keys_) {
    if (key.until && *key.until <= now()) over.push_back(name);
  }
  for (const std::string& name : over) (void)find(name);
}

std::optional<DoubleReply> DoubleKeyspace::run(const DoubleWords& words) {
  static const DoubleCommands commands = [] {
    DoubleCommands all;
    add_string_commands(all);
    add_key_commands(all);
    add_collection_commands(all);
    add_stream_commands(all);
    return all;
  }();
  const std::string name = double_upper(words.at(0));
  const auto found = commands.find(name);
  if (found == commands.end()) return std::nullopt;
  if (words.size() < found->second.words_min) {
    return DoubleReply::error("ERR wrong number of arguments for '" + name + "' command");
  }
  return found->second.run(*this, words);
}

}  // namespace chaveiro::redis
