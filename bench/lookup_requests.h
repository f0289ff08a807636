// bench/lookup_requests.h
//
// What the load generator asks: the keys of bench/keys.h, drawn by Zipf, as bytes made before the clock runs. Ranks are spread
// over the keys, so that the popular ones are of all types and lie far apart in every table.
//
// Threads: one.
// Source:  Zipf with exponent 0.99, as in the YCSB workloads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace chaveiro::bench {

[[noreturn]] void stop(const std::string& why);  // says why on standard error and ends the program with 1

class Requests {
 public:
  explicit Requests(std::size_t keys);

  std::size_t keys() const { return spans_.size(); }
  // The number of the key to ask next; the same sequence in every run.
  std::size_t next() { return stream_[position_++ % stream_.size()]; }

  // The gRPC frame of a LookupKeyRequest: one byte of flags, four of length, the message.
  std::string_view frame(std::size_t key) const { return part(key, 0, frame_head + 2 + spans_[key].dict_key); }
  // The DictKey inside it, which the answer must carry unchanged.
  std::string_view dict_key(std::size_t key) const { return part(key, frame_head + 2, spans_[key].dict_key); }
  std::string_view value(std::size_t key) const { return dict_key(key).substr(4); }
  // The same as body of POST /api/v1/lookups.
  std::string json(std::size_t key) const;

  static constexpr std::size_t frame_head = 5;

 private:
  struct Span {
    std::uint32_t offset;
    std::uint8_t dict_key;  // bytes
  };
  std::string_view part(std::size_t key, std::size_t from, std::size_t count) const {
    return {bytes_.data() + spans_[key].offset + from, count};
  }
  void add(std::size_t number);
  void draw(std::size_t count);

  std::string bytes_;
  std::vector<Span> spans_;
  std::vector<std::uint32_t> stream_;
  std::size_t position_ = 0;
};

}  // namespace chaveiro::bench
