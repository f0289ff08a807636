#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "clients/redis/double_keyspace.h"

namespace chaveiro::redis {
namespace {

using Reply = DoubleReply;
using Words = DoubleWords;
using Keyspace = DoubleKeyspace;

Reply count_of(std::size_t count) { return Reply::of(static_cast<std::int64_t>(count)); }

// A collection that is empty is no key.
template <class T>
void changed(Keyspace& space, const std::string& key) {
  bool wrong = false;
  const T* const value = space.get<T>(key, wrong);
  if (value != nullptr && value->empty())
    space.erase(key);
  else
    space.touch(key);
}

// fn(T&) on the value, or on an empty one that is not kept.
template <class T, class Fn>
Reply read(Keyspace& space, const std::string& key, Fn fn) {
  bool wrong = false;
  T none;
  T* const value = space.get<T>(key, wrong);
  return wrong ? double_wrong_type() : fn(value == nullptr ? none : *value);
}
template <class T, class Fn>
Reply write(Keyspace& space, const std::string& key, Fn fn) {
  T* const value = space.make<T>(key);
  if (value == nullptr) return double_wrong_type();
  Reply reply = fn(*value);
  changed<T>(space, key);
  return reply;
}

Reply hset(Keyspace& space, const Words& words) {
  if (words.size() % 2 != 0) return Reply::error("ERR wrong number of arguments for 'hset' command");
  return write<DoubleHash>(space, words[1], [&](DoubleHash& hash) {
    std::size_t added = 0;
    for (std::size_t i = 2; i < words.size(); i += 2)
      added += hash.insert_or_assign(words[i], words[i + 1]).second ? 1 : 0;
    return count_of(added);
  });
}

Reply hget(const DoubleHash& hash, const std::string& field) {
  const auto found = hash.find(field);
  return found == hash.end() ? Reply{} : Reply::bulk(found->second);
}

Reply hincrby(Keyspace& space, const Words& words) {
  const auto by = double_integer(words[3]);
  if (!by) return double_not_integer();
  return write<DoubleHash>(space, words[1], [&](DoubleHash& hash) {
    const auto found = hash.find(words[2]);
    const auto before = found == hash.end() ? 0 : double_integer(found->second);
    std::int64_t after = 0;
    if (!before || __builtin_add_overflow(*before, *by, &after))
      return Reply::error("ERR hash value is not an integer");
    hash[words[2]] = std::to_string(after);
    return Reply::of(after);
  });
}

void add_hashes(DoubleCommands& commands) {
  commands["HSET"] = commands["HMSET"] = {4, hset};
  commands["HINCRBY"] = {4, hincrby};
  commands["HGET"] = {3, [](Keyspace& space, const Words& words) {
                        return read<DoubleHash>(space, words[1], [&](auto& hash) { return hget(hash, words[2]); });
                      }};
  commands["HMGET"] = {3, [](Keyspace& space, const Words& words) {
                         return read<DoubleHash>(space, words[1], [&](auto& hash) {
                           std::vector<Reply> all;
                           for (std::size_t i = 2; i < words.size(); ++i) all.push_back(hget(hash, words[i]));
                           return Reply::array(std::move(all));
                         });
                       }};
  commands["HGETALL"] = {2, [](Keyspace& space, const Words& words) {
                           return read<DoubleHash>(space, words[1], [&](auto& hash) {
                             Reply map{Reply::Kind::map};
                             for (const auto& [field, value] : hash) {
                               map.items.push_back(Reply::bulk(field));
                               map.items.push_back(Reply::bulk(value));
                             }
                             return map;
                           });
                         }};
  commands["HDEL"] = {3, [](Keyspace& space, const Words& words) {
                        return write<DoubleHash>(space, words[1], [&](auto& hash) {
                          std::size_t gone = 0;
                          for (std::size_t i = 2; i < words.size(); ++i) gone += hash.erase(words[i]);
                          return count_of(gone);
                        });
                      }};
  commands["HEXISTS"] = {3, [](Keyspace& space, const Words& words) {
                           return read<DoubleHash>(space, words[1],
                                                   [&](auto& hash) { return count_of(hash.count(words[2])); });
                         }};
  commands["HLEN"] = {2, [](Keyspace& space, const Words& words) {
                        return read<DoubleHash>(space, words[1], [](auto& hash) { return count_of(hash.size()); });
                      }};
}

template <bool Left>
Reply push(Keyspace& space, const Words& words) {
  return write<DoubleList>(space, words[1], [&](auto& list) {
    for (std::size_t i = 2; i < words.size(); ++i) Left ? list.push_front(words[i]) : list.push_back(words[i]);
    return count_of(list.size());
  });
}

template <bool Left>
Reply pop(Keyspace& space, const Words& words) {
  return write<DoubleList>(space, words[1], [&](auto& list) {
    if (list.empty()) return Reply{};
    Reply one = Reply::bulk(Left ? list.front() : list.back());
    Left ? list.pop_front() : list.pop_back();
    return one;
  });
}

// [first, last) of what the words name, with negative numbers counted from the end.
std::pair<std::size_t, std::size_t> range_of(const std::string& first, const std::string& last, std::size_t size) {
  const auto place = [&](const std::string& word) {
    const std::int64_t number = double_integer(word).value_or(0);
    return number < 0 ? number + static_cast<std::int64_t>(size) : number;
  };
  const std::int64_t from = std::max<std::int64_t>(place(first), 0);
  const std::int64_t to = std::min<std::int64_t>(place(last) + 1, static_cast<std::int64_t>(size));
  if (from >= to) return {0, 0};
  return {static_cast<std::size_t>(from), static_cast<std::size_t>(to)};
}

void add_lists(DoubleCommands& commands) {
  commands["LPUSH"] = {3, push<true>};
  commands["RPUSH"] = {3, push<false>};
  commands["LPOP"] = {2, pop<true>};
  commands["RPOP"] = {2, pop<false>};
  commands["LLEN"] = {2, [](Keyspace& space, const Words& words) {
                        return read<DoubleList>(space, words[1], [](auto& list) { return count_of(list.size()); });
                      }};
  commands["LRANGE"] = {4, [](Keyspace& space, const Words& words) {
                          return read<DoubleList>(space, words[1], [&](auto& list) {
                            const auto [from, to] = range_of(words[2], words[3], list.size());
                            std::vector<Reply> some;
                            for (std::size_t i = from; i < to; ++i) some.push_back(Reply::bulk(list[i]));
                            return Reply::array(std::move(some));
                          });
                        }};
}

void add_sets(DoubleCommands& commands) {
  commands["SADD"] = {3, [](Keyspace& space, const Words& words) {
                        return write<DoubleSet>(space, words[1], [&](auto& set) {
                          std::size_t added = 0;
                          for (std::size_t i = 2; i < words.size(); ++i) added += set.insert(words[i]).second ? 1 : 0;
                          return count_of(added);
                        });
                      }};
  commands["SREM"] = {3, [](Keyspace& space, const Words& words) {
                        return write<DoubleSet>(space, words[1], [&](auto& set) {
                          std::size_t gone = 0;
                          for (std::size_t i = 2; i < words.size(); ++i) gone += set.erase(words[i]);
                          return count_of(gone);
                        });
                      }};
  commands["SMEMBERS"] = {2, [](Keyspace& space, const Words& words) {
                            return read<DoubleSet>(space, words[1], [](auto& set) {
                              Reply all{Reply::Kind::set};
                              for (const std::string& member : set) all.items.push_back(Reply::bulk(member));
                              return all;
                            });
                          }};
  commands["SISMEMBER"] = {3, [](Keyspace& space, const Words& words) {
                             return read<DoubleSet>(space, words[1],
                                                    [&](auto& set) { return count_of(set.count(words[2])); });
                           }};
  commands["SCARD"] = {2, [](Keyspace& space, const Words& words) {
                         return read<DoubleSet>(space, words[1], [](auto& set) { return count_of(set.size()); });
                       }};
}

std::optional<double> score_of(std::string_view text) {
  if (text == "-inf") return -INFINITY;
  if (text == "+inf" || text == "inf") return INFINITY;
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || *end != '\0' || std::isnan(value)) return std::nullopt;
  return value;
}
std::string score_text(double score) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.17g", score);
  return text;
}

std::vector<std::pair<double, std::string>> ordered(const DoubleScores& scores) {
  std::vector<std::pair<double, std::string>> all;
  for (const auto& [member, score] : scores) all.emplace_back(score, member);
  std::ranges::sort(all);
  return all;
}

Reply zadd(Keyspace& space, const Words& words) {
  if (words.size() % 2 != 0) return double_syntax();
  for (std::size_t i = 2; i < words.size(); i += 2) {
    if (!score_of(words[i])) return Reply::error("ERR value is not a valid float");
  }
  return write<DoubleScores>(space, words[1], [&](auto& scores) {
    std::size_t added = 0;
    for (std::size_t i = 2; i < words.size(); i += 2)
      added += scores.insert_or_assign(words[i + 1], *score_of(words[i])).second ? 1 : 0;
    return count_of(added);
  });
}

Reply zrange(Keyspace& space, const Words& words) {
  return read<DoubleScores>(space, words[1], [&](auto& scores) {
    const auto all = ordered(scores);
    const auto [from, to] = range_of(words[2], words[3], all.size());
    const bool with_scores = words.size() > 4 && double_upper(words[4]) == "WITHSCORES";
    std::vector<Reply> some;
    for (std::size_t i = from; i < to; ++i) {
      some.push_back(Reply::bulk(all[i].second));
      if (with_scores) some.push_back(Reply::bulk(score_text(all[i].first)));
    }
    return Reply::array(std::move(some));
  });
}

// [first, last] by score, "(" excludes.
std::optional<std::pair<double, double>> score_range(std::string_view first, std::string_view last) {
  const auto bound = [](std::string_view text, double outside) -> std::optional<double> {
    if (!text.starts_with('(')) return score_of(text);
    const auto score = score_of(text.substr(1));
    return score ? std::optional(std::nextafter(*score, outside)) : std::nullopt;
  };
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const auto from = bound(first, infinity), to = bound(last, -infinity);
  if (!from || !to) return std::nullopt;
  return std::pair(*from, *to);
}

void add_sorted_sets(DoubleCommands& commands) {
  commands["ZADD"] = {4, zadd};
  commands["ZRANGE"] = {4, zrange};
  commands["ZCARD"] = {2, [](Keyspace& space, const Words& words) {
                         return read<DoubleScores>(space, words[1],
                                                   [](auto& scores) { return count_of(scores.size()); });
                       }};
  commands["ZSCORE"] = {3, [](Keyspace& space, const Words& words) {
                          return read<DoubleScores>(space, words[1], [&](auto& scores) {
                            const auto found = scores.find(words[2]);
                            return found == scores.end() ? Reply{}
                                                         : Reply{Reply::Kind::number, score_text(found->second)};
                          });
                        }};
  commands["ZREM"] = {3, [](Keyspace& space, const Words& words) {
                        return write<DoubleScores>(space, words[1], [&](auto& scores) {
                          std::size_t gone = 0;
                          for (std::size_t i = 2; i < words.size(); ++i) gone += scores.erase(words[i]);
                          return count_of(gone);
                        });
                      }};
  commands["ZRANGEBYSCORE"] = {4, [](Keyspace& space, const Words& words) {
                                 const auto range = score_range(words[2], words[3]);
                                 if (!range) return Reply::error("ERR min or max is not a float");
                                 return read<DoubleScores>(space, words[1], [&](auto& scores) {
                                   std::vector<Reply> some;
                                   for (const auto& [score, member] : ordered(scores)) {
                                     if (score >= range->first && score <= range->second)
                                       some.push_back(Reply::bulk(member));
                                   }
                                   return Reply::array(std::move(some));
                                 });
                               }};
  commands["ZREMRANGEBYSCORE"] = {4, [](Keyspace& space, const Words& words) {
                                    const auto range = score_range(words[2], words[3]);
                                    if (!range) return Reply::error("ERR min or max is not a float");
                                    return write<DoubleScores>(space, words[1], [&](auto& scores) {
                                      return count_of(std::erase_if(scores, [&](const auto& one) {
                                        return one.second >= range->first && one.second <= range->second;
                                      }));
                                    });
                                  }};
}

}  // namespace

void add_collection_commands(DoubleCommands& commands) {
  add_hashes(commands);
  add_lists(commands);
  add_sets(commands);
  add_sorted_sets(commands);
}

}  // namespace chaveiro::redis
