// net/input_buffer.h
//
// The bytes of a connection that came and were not yet read as a message: small while it is idle, as large as it must be otherwise.
//
// Threads: one.
#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <cstring>
#include <string_view>
#include <vector>

namespace chaveiro::net {

class InputBuffer {
 public:
  static constexpr std::size_t small = 4 * 1024;  // what an idle connection holds

  std::string_view unread() const { return {bytes_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  boost::asio::mutable_buffer room(std::size_t capacity_wanted) {
    if (begin_ > 0 && end_ == bytes_.size()) {
      std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (bytes_.size() < capacity_wanted && end_ == bytes_.size()) {
      bytes_.resize(std::min(capacity_wanted, std::max(small, bytes_.size() * 2)));
    }
    return boost::asio::buffer(bytes_.data() + end_, bytes_.size() - end_);
  }
  void came(std::size_t count) { end_ += count; }
  void shrink() {
    if (begin_ != end_ || bytes_.size() <= small) return;
    bytes_ = std::vector<char>(small);
  }

 private:
  std::vector<char> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace chaveiro::net
