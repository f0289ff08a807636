// cache/wheel.h
//
// Hierarchical timer wheel over small numbers (pages of entries): each is due at one tick, and is told once that has come.
// Five levels of 64, so a tick 2^30 away costs no more than the next one.
//
// Threads: one at a time.
// Time:    place and remove O(1); advance O(what is due + ticks passed / 64 per level).
// Source:  Varghese and Lauck, Hashed and Hierarchical Timing Wheels (SOSP 1987).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace chaveiro::cache {

class Wheel {
 public:
  static constexpr std::uint32_t none = 0xFFFFFFFF;

  void start(std::uint32_t tick) {
    now_ = tick;
    heads_.fill(none);
  }
  bool holds(std::uint32_t id) const { return id < nodes_.size() && nodes_[id].bucket != none; }
  std::uint32_t due(std::uint32_t id) const { return nodes_[id].due; }
  std::size_t size() const { return size_; }

  void place(std::uint32_t id, std::uint32_t due) {
    if (id >= nodes_.size()) nodes_.resize(id + 1);
    if (nodes_[id].bucket != none) remove(id);
    nodes_[id].due = due;
    std::uint32_t delta = due - now_;
    if (static_cast<std::int32_t>(delta) <= 0) delta = 1, due = now_ + 1;
    std::uint32_t level = 0;
    while (level + 1 < levels && delta >= 64U << (6 * level)) ++level;
    const std::uint32_t bucket = level * 64 + (due >> (6 * level) & 63);
    Node& node = nodes_[id];
    node.bucket = bucket;
    node.before = none;
    node.after = heads_[bucket];
    if (node.after != none) nodes_[node.after].before = id;
    heads_[bucket] = id;
    ++size_;
  }
  void remove(std::uint32_t id) {
    if (!holds(id)) return;
    Node& node = nodes_[id];
    (node.before == none ? heads_[node.bucket] : nodes_[node.before].after) = node.after;
    if (node.after != none) nodes_[node.after].before = node.before;
    node.bucket = none;
    --size_;
  }
  // Calls told(id) for each whose tick has come; it is out of the wheel by then and may be placed again.
  template <class F>
  void advance(std::uint32_t tick, F told) {
    while (now_ != tick && static_cast<std::int32_t>(tick - now_) > 0) {
      if (size_ == 0) {
        now_ = tick;
        return;
      }
      ++now_;
      for (std::uint32_t level = levels - 1; level > 0; --level) {
        if ((now_ & ((1U << (6 * level)) - 1)) == 0) empty(level * 64 + (now_ >> (6 * level) & 63), told);
      }
      empty(now_ & 63, told);
    }
  }
  std::size_t bytes() const { return nodes_.capacity() * sizeof(Node); }

 private:
  static constexpr std::uint32_t levels = 5;
  struct Node {
    std::uint32_t due = 0, bucket = none, before = none, after = none;
  };

  template <class F>
  void empty(std::uint32_t bucket, F told) {
    while (heads_[bucket] != none) {
      const std::uint32_t id = heads_[bucket];
      remove(id);
      if (static_cast<std::int32_t>(nodes_[id].due - now_) <= 0) {
        told(id);
      } else {
        place(id, nodes_[id].due);
      }
    }
  }

  std::array<std::uint32_t, levels * 64> heads_;
  std::vector<Node> nodes_;
  std::uint32_t now_ = 0;
  std::size_t size_ = 0;
};

}  // namespace chaveiro::cache
