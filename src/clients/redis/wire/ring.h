// clients/redis/wire/ring.h
//
// Ring<T>: a queue in one block of memory that grows by doubling and then stays: what a connection has in flight comes and goes a
// million times a second.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/check.h"

namespace chaveiro::redis {

template <class T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  T& front() { return places_[begin_]; }
  T& operator[](std::size_t index) { return places_[(begin_ + index) & (places_.size() - 1)]; }

  void push_back(T value) {
    if (size_ == places_.size()) grow();
    (*this)[size_++] = std::move(value);
  }
  T pop_front() {
    CHECK(size_ > 0);
    T value = std::exchange(places_[begin_], T{});
    begin_ = (begin_ + 1) & (places_.size() - 1);
    --size_;
    return value;
  }

 private:
  void grow() {
    std::vector<T> larger(places_.empty() ? 16 : places_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    places_ = std::move(larger);
    begin_ = 0;
  }

  std::vector<T> places_;  // a power of two
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
};

}  // namespace chaveiro::redis
