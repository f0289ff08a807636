// events/log/cursor_file.h
//
// Topics and cursors as the small texts that stand beside the segments, and names as names of files.
//
//   FOLDER/LOCK                               the process that uses it
//   FOLDER/TOPIC/topic                        name, partitions, hash, retention
//   FOLDER/TOPIC/N/…                          partition N
//   FOLDER/TOPIC/cursors/SUBSCRIPTION         one line a partition: base first-end first-end …
//
// Threads: pure functions.
// Errors:  corrupt "LogCorrupt".
#pragma once

#include "events/log/group.h"

namespace chaveiro::events::log {

// Letters, digits, '-' and '_' stay, everything else becomes %XX; two names never become one.
std::string file_name_of(std::string_view name);
Result<std::string> name_of_file(std::string_view file_name);

struct TopicText {
  std::string name;
  TopicOptions options;
};
std::string to_text(const TopicText& topic);
Result<TopicText> parse_topic(std::string_view text);

struct CursorText {
  SubscriptionType type = SubscriptionType::key_shared;
  std::vector<Cursor> cursors;
};
std::string to_text(const CursorText& cursors);
Result<CursorText> parse_cursors(std::string_view text);

}  // namespace chaveiro::events::log
