#include "cache/duel.h"

#include <bit>
#include <utility>

namespace chaveiro::cache {
namespace {

constexpr std::uint32_t ghosts_each = 4, heads_each = 4;

}  // namespace

std::uint16_t Miniature::find(std::uint32_t tag) const {
  std::uint16_t node = heads_[tag % heads_.size()];
  while (node != none && nodes_[node].tag != tag) node = nodes_[node].next;
  return node;
}

std::uint16_t Miniature::add(std::uint32_t tag) {
  std::uint16_t node = 0;
  if (free_.empty()) {
    node = static_cast<std::uint16_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    node = free_.back();
    free_.pop_back();
  }
  std::uint16_t& head = heads_[tag % heads_.size()];
  nodes_[node] = {tag, 0, head, none};
  head = node;
  return node;
}

void Miniature::drop(std::uint16_t node) {
  std::uint16_t* link = &heads_[nodes_[node].tag % heads_.size()];
  while (*link != node) link = &nodes_[*link].next;
  *link = nodes_[node].next;
  free_.push_back(node);
}

// A resident becomes a ghost; the oldest ghost is forgotten.
void Miniature::expel(std::uint32_t place) {
  const std::uint16_t node = residents_[place];
  kept_ -= use(node).kept() ? 1 : 0;
  residents_[place] = residents_.back();
  nodes_[residents_[place]].place = static_cast<std::uint16_t>(place);
  residents_.pop_back();
  ring_ = (ring_ + 1) % static_cast<std::uint32_t>(ghosts_.size());
  if (ghosts_[ring_] != none) drop(ghosts_[ring_]);
  ghosts_[ring_] = node;
  nodes_[node].use &= ~resident;
  nodes_[node].place = static_cast<std::uint16_t>(ring_);
}

std::uint32_t Miniature::reach(std::uint32_t now) {
  std::vector<std::uint32_t> ages;
  ages.reserve(residents_.size());
  for (const std::uint16_t node : residents_) {
    if (use(node).kept()) ages.push_back(use(node).age(now));
  }
  if (ages.empty()) return 0;
  const auto at = ages.begin() + static_cast<std::ptrdiff_t>(ages.size() * 9 / 10);
  std::nth_element(ages.begin(), at, ages.end());
  return *at;
}

std::uint32_t Miniature::apart(const Miniature& other) const {
  std::uint32_t alone = 0;
  for (const std::uint16_t node : residents_) {
    const std::uint16_t there = other.find(nodes_[node].tag);
    if (there == none || (other.nodes_[there].use & resident) == 0) ++alone;
  }
  return alone;
}

void Miniature::fit(std::uint32_t capacity, std::uint32_t sample, std::uint32_t weighed) {
  const std::uint32_t room = std::bit_ceil(capacity);
  capacity_ = capacity;
  weighed_ = weighed;
  if (sample == sample_ && heads_.size() >= std::size_t{room} * heads_each) return;
  sample_ = sample;
  rebuild(room);
}

// The marks that still belong to the sample, in tables of another size.
void Miniature::rebuild(std::uint32_t room) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> residents, ghosts;  // tag, use
  for (const std::uint16_t node : residents_) residents.emplace_back(nodes_[node].tag, nodes_[node].use);
  for (std::size_t i = 1; i <= ghosts_.size(); ++i) {
    const std::uint16_t node = ghosts_[(ring_ + i) % ghosts_.size()];
    if (node != none) ghosts.emplace_back(nodes_[node].tag, nodes_[node].use);
  }
  const auto outside = [&](const auto& one) { return (one.first >> 8 & sample_) != 0; };
  std::erase_if(residents, outside);
  std::erase_if(ghosts, outside);
  nodes_.clear(), free_.clear(), residents_.clear();
  heads_.assign(std::size_t{room} * heads_each, none);
  ghosts_.assign(std::size_t{room} * ghosts_each, none);
  kept_ = ring_ = 0;
  const auto bring = [&](std::pair<std::uint32_t, std::uint32_t> one, std::size_t place) {
    const std::uint16_t node = add(one.first);
    nodes_[node].use = one.second;
    nodes_[node].place = static_cast<std::uint16_t>(place);
    return node;
  };
  for (const auto& one : ghosts) {
    ring_ = (ring_ + 1) % static_cast<std::uint32_t>(ghosts_.size());
    if (ghosts_[ring_] != none) drop(ghosts_[ring_]);
    ghosts_[ring_] = bring(one, ring_);
  }
  for (const auto& one : residents) {
    residents_.push_back(bring(one, residents_.size()));
    kept_ += Use{one.second}.kept() ? 1 : 0;
  }
}

std::size_t Miniature::bytes() const {
  return nodes_.capacity() * sizeof(Node) +
         (heads_.capacity() + residents_.capacity() + ghosts_.capacity() + free_.capacity()) * sizeof(std::uint16_t);
}

void Duel::fit(std::uint64_t residents, std::uint32_t weighed) {
  if (residents == fitted_ && weighed == weighed_) return;
  fitted_ = residents;
  weighed_ = weighed;
  std::uint32_t sample = sample_.load(std::memory_order_relaxed);
  const auto capacity = [&] { return residents / (sample + 1) + 1; };
  while (capacity() > residents_max) sample = sample * 2 + 1;
  while (sample > 0 && capacity() < residents_max / 3) sample /= 2;
  const std::scoped_lock lock(mutex_);
  for (Miniature* one : {&learned_, &kept_}) one->fit(static_cast<std::uint32_t>(capacity()), sample, weighed);
  sample_.store(sample, std::memory_order_relaxed);
}

// It begins by keeping what is there: the other has learnt nothing yet. In its first turns that choice is a provisional one.
void Duel::judge(int gained) {
  const double capacity = kept_.capacity();
  score_ += gained - score_ / (16 * capacity + 16);
  const double margin = std::max(capacity / 16 + 2, apart_ / 4);
  const bool settled = ++asked_ > 16 * capacity;
  if (score_ > margin) keeping_.store(true, std::memory_order_relaxed);
  if (score_ < -margin * (settled ? 1 : 0.1)) keeping_.store(false, std::memory_order_relaxed);
}

std::size_t Duel::bytes() const {
  const std::scoped_lock lock(mutex_);
  return learned_.bytes() + kept_.bytes();
}

}  // namespace chaveiro::cache
