#include <algorithm>

#include "clients/redis/double_keyspace.h"

namespace chaveiro::redis {
namespace {

using Reply = DoubleReply;
using Words = DoubleWords;
using Keyspace = DoubleKeyspace;

// "5-1", or "5" with `sequence` as its second part.
std::optional<DoubleStreamId> id_of(std::string_view text, std::uint64_t sequence) {
  const std::size_t dash = text.find('-');
  const auto ms = double_integer(text.substr(0, dash));
  const auto rest = dash == std::string_view::npos ? std::optional<std::int64_t>(static_cast<std::int64_t>(sequence))
                                                   : double_integer(text.substr(dash + 1));
  if (!ms || !rest) return std::nullopt;
  return DoubleStreamId{static_cast<std::uint64_t>(*ms), static_cast<std::uint64_t>(*rest)};
}

Reply entry_of(const DoubleStreamId& id, const Words& fields) {
  std::vector<Reply> items;
  for (const std::string& field : fields) items.push_back(Reply::bulk(field));
  return Reply::array({Reply::bulk(id.text()), Reply::array(std::move(items))});
}

void trim(DoubleStream& stream, std::size_t most) {
  while (stream.entries.size() > most) stream.entries.erase(stream.entries.begin());
}

Reply xadd(Keyspace& space, const Words& words) {
  std::size_t i = 2;
  std::optional<std::size_t> most;
  bool may_make = true;
  for (; i < words.size(); ++i) {
    const std::string option = double_upper(words[i]);
    if (option == "NOMKSTREAM") {
      may_make = false;
    } else if (option == "MAXLEN") {
      if (i + 1 < words.size() && (words[i + 1] == "~" || words[i + 1] == "=")) ++i;
      most = static_cast<std::size_t>(i + 1 < words.size() ? double_integer(words[i + 1]).value_or(0) : 0);
      ++i;
    } else {
      break;
    }
  }
  if (i >= words.size() || (words.size() - i) % 2 == 0 || words.size() - i < 3) return double_syntax();
  if (!may_make && space.find(words[1]) == nullptr) return {};
  DoubleStream* const stream = space.make<DoubleStream>(words[1]);
  if (stream == nullptr) return double_wrong_type();
  DoubleStreamId id;
  if (words[i] == "*") {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(space.now().time_since_epoch()).count();
    id = std::max(DoubleStreamId{static_cast<std::uint64_t>(now), 0}, {stream->last.ms, stream->last.sequence + 1});
  } else if (const auto given = id_of(words[i], 0); given && *given > stream->last) {
    id = *given;
  } else {
    return Reply::error("ERR The ID specified in XADD is equal or smaller than the target stream top item");
  }
  stream->last = id;
  stream->entries[id] = Words(words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end());
  if (most) trim(*stream, *most);
  space.touch(words[1]);
  return Reply::bulk(id.text());
}

Reply xrange(Keyspace& space, const Words& words) {
  const auto from = words[2] == "-" ? DoubleStreamId{} : id_of(words[2], 0);
  const auto to = words[3] == "+" ? DoubleStreamId{UINT64_MAX, UINT64_MAX} : id_of(words[3], UINT64_MAX);
  if (!from || !to) return Reply::error("ERR Invalid stream ID specified as stream command argument");
  const std::int64_t most = words.size() > 5 ? double_integer(words[5]).value_or(0) : INT64_MAX;
  bool wrong = false;
  const DoubleStream* const stream = space.get<DoubleStream>(words[1], wrong);
  if (wrong) return double_wrong_type();
  std::vector<Reply> entries;
  if (stream != nullptr) {
    for (auto it = stream->entries.lower_bound(*from); it != stream->entries.end() && it->first <= *to; ++it) {
      if (static_cast<std::int64_t>(entries.size()) >= most) break;
      entries.push_back(entry_of(it->first, it->second));
    }
  }
  return Reply::array(std::move(entries));
}

// BLOCK is the affair of the connection, which asks again.
Reply xread(Keyspace& space, const Words& words) {
  std::int64_t most = INT64_MAX;
  std::size_t i = 1;
  for (; i + 1 < words.size() && double_upper(words[i]) != "STREAMS"; i += 2) {
    if (double_upper(words[i]) == "COUNT") most = double_integer(words[i + 1]).value_or(INT64_MAX);
  }
  if (i + 1 >= words.size() || (words.size() - i - 1) % 2 != 0) return double_syntax();
  const std::size_t streams = (words.size() - i - 1) / 2;
  Reply found{Reply::Kind::pairs};
  for (std::size_t s = 0; s < streams; ++s) {
    const std::string& key = words[i + 1 + s];
    bool wrong = false;
    const DoubleStream* const stream = space.get<DoubleStream>(key, wrong);
    if (wrong) return double_wrong_type();
    const auto after = id_of(words[i + 1 + streams + s], 0);
    if (!after) return Reply::error("ERR Invalid stream ID specified as stream command argument");
    if (stream == nullptr) continue;
    std::vector<Reply> entries;
    for (auto it = stream->entries.upper_bound(*after); it != stream->entries.end(); ++it) {
      if (static_cast<std::int64_t>(entries.size()) >= most) break;
      entries.push_back(entry_of(it->first, it->second));
    }
    if (entries.empty()) continue;
    found.items.push_back(Reply::bulk(key));
    found.items.push_back(Reply::array(std::move(entries)));
  }
  return found.items.empty() ? Reply{} : found;
}

Reply xtrim(Keyspace& space, const Words& words) {
  bool wrong = false;
  DoubleStream* const stream = space.get<DoubleStream>(words[1], wrong);
  const auto most = double_integer(words.back());
  if (wrong || !most) return wrong ? double_wrong_type() : double_not_integer();
  if (stream == nullptr) return Reply::of(0);
  const std::size_t before = stream->entries.size();
  trim(*stream, static_cast<std::size_t>(*most));
  return Reply::of(static_cast<std::int64_t>(before - stream->entries.size()));
}

Reply xlen(Keyspace& space, const Words& words) {
  bool wrong = false;
  const DoubleStream* const stream = space.get<DoubleStream>(words[1], wrong);
  if (wrong) return double_wrong_type();
  return Reply::of(stream == nullptr ? 0 : static_cast<std::int64_t>(stream->entries.size()));
}

Reply xrevrange(Keyspace& space, const Words& words) {
  Reply all = xrange(space, {"XRANGE", words[1], words[3], words[2]});
  if (all.kind != Reply::Kind::array) return all;
  std::vector<Reply> back(all.items.rbegin(), all.items.rend());
  if (words.size() > 5)
    back.resize(std::min(back.size(), static_cast<std::size_t>(double_integer(words[5]).value_or(0))));
  return Reply::array(std::move(back));
}

}  // namespace

void double_fix_last_ids(DoubleKeyspace& space, DoubleWords& words) {
  const auto streams = std::ranges::find_if(words, [](const auto& word) { return double_upper(word) == "STREAMS"; });
  const auto count = (words.end() - streams - 1) / 2;
  for (auto key = streams + 1; streams != words.end() && key < streams + 1 + count; ++key) {
    bool wrong = false;
    const DoubleStream* const stream = space.get<DoubleStream>(*key, wrong);
    if (*(key + count) == "$") *(key + count) = stream == nullptr ? "0" : stream->last.text();
  }
}

void add_stream_commands(DoubleCommands& commands) {
  commands["XADD"] = {5, xadd};
  commands["XRANGE"] = {4, xrange};
  commands["XREVRANGE"] = {4, xrevrange};
  commands["XREAD"] = {4, xread};
  commands["XTRIM"] = {4, xtrim};
  commands["XLEN"] = {2, xlen};
}

}  // namespace chaveiro::redis
