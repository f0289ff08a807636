#include "events/log/cursor_file.h"

#include "base/crc32c.h"
#include "base/encoding.h"
#include "base/text.h"

namespace chaveiro::events::log {
namespace {

Error damaged(std::string_view what) {
  return fail(Code::corrupt, "LogCorrupt",
              std::string(what) + " of the event log is damaged: restore it from a backup");
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(at), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// The last line is the sum of those before it.
std::string with_sum(const std::string& text) { return text + "sum " + std::to_string(crc32c(text)) + "\n"; }

std::optional<std::string_view> without_sum(std::string_view text) {
  const std::size_t at = text.rfind("sum ");
  if (at == std::string_view::npos || !text.ends_with('\n')) return std::nullopt;
  const auto sum = parse_uint(text.substr(at + 4, text.size() - at - 5));
  if (!sum || *sum != crc32c(text.substr(0, at))) return std::nullopt;
  return text.substr(0, at);
}

}  // namespace

std::string file_name_of(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (plain) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      out.append("%").append(to_hex({&byte, 1}));
    }
  }
  return out;
}

Result<std::string> name_of_file(std::string_view file_name) {
  std::string out;
  for (std::size_t i = 0; i < file_name.size(); ++i) {
    if (file_name[i] != '%') {
      out.push_back(file_name[i]);
      continue;
    }
    const auto byte = parse_hex(file_name.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return damaged("the name of a file");
    out.append(*byte);
    i += 2;
  }
  return out;
}

std::string to_text(const TopicText& topic) {
  return with_sum("name " + topic.name + "\npartitions " + std::to_string(topic.options.partitions) + "\nhash " +
                  std::string(to_string(topic.options.hash)) + "\nretention_us " +
                  std::to_string(topic.options.retention_time.count()) + "\nretention_bytes " +
                  std::to_string(topic.options.retention_bytes) + "\nbacklog_bytes_max " +
                  std::to_string(topic.options.backlog_bytes_max) + "\n");
}

Result<TopicText> parse_topic(std::string_view text) {
  const auto body = without_sum(text);
  if (!body) return damaged("the description of a topic");
  TopicText topic;
  for (const std::string_view line : split(*body, '\n')) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return damaged("the description of a topic");
    const std::string_view name = line.substr(0, space), value = line.substr(space + 1);
    if (name == "name") {
      topic.name = value;
    } else if (name == "hash") {
      const auto hash = key_hash_of(value);
      if (!hash) return damaged("the description of a topic");
      topic.options.hash = *hash;
    } else {
      TRY(const std::uint64_t number, parse_uint(value));
      if (name == "partitions") topic.options.partitions = static_cast<std::uint32_t>(number);
      if (name == "retention_us") topic.options.retention_time = Micros(static_cast<std::int64_t>(number));
      if (name == "retention_bytes") topic.options.retention_bytes = number;
      if (name == "backlog_bytes_max") topic.options.backlog_bytes_max = number;
    }
  }
  if (topic.name.empty() || topic.options.partitions == 0) return damaged("the description of a topic");
  return topic;
}

std::string to_text(const CursorText& text) {
  std::string out = "type " + std::to_string(static_cast<int>(text.type)) + "\n";
  for (const Cursor& cursor : text.cursors) {
    out.append(std::to_string(cursor.base));
    for (const auto& [first, end] : cursor.done)
      out.append(" ").append(std::to_string(first)).append("-").append(std::to_string(end));
    out.push_back('\n');
  }
  return with_sum(out);
}

Result<CursorText> parse_cursors(std::string_view text) {
  const auto body = without_sum(text);
  if (!body) return damaged("a cursor");
  CursorText read;
  for (const std::string_view line : split(*body, '\n')) {
    if (line.starts_with("type ")) {
      TRY(const std::uint64_t type, parse_uint(line.substr(5), 3));
      read.type = static_cast<SubscriptionType>(type);
      continue;
    }
    Cursor& cursor = read.cursors.emplace_back();
    bool first_word = true;
    for (const std::string_view word : split(line, ' ')) {
      const std::size_t dash = word.find('-');
      TRY(const std::uint64_t first, parse_uint(word.substr(0, dash)));
      if (std::exchange(first_word, false)) {
        cursor.base = first;
        continue;
      }
      if (dash == std::string_view::npos) return damaged("a cursor");
      TRY(const std::uint64_t end, parse_uint(word.substr(dash + 1)));
      cursor.done.emplace_back(first, end);
    }
  }
  return read;
}

}  // namespace chaveiro::events::log
