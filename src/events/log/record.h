// events/log/record.h
//
// Messages as bytes: records, gathered in batches, which are what is written, checksummed and read.
//
//   batch   := "CHVB" crc:u32 size:u32 count:u32 first:u64 durable:u64 at:u64 record*      (little-endian; 40 bytes before the records)
//   record  := body:bytes key:bytes event_time:zigzag deliver_at:zigzag sequence:varint headers:varint (name:bytes value:bytes)*
//   bytes   := size:varint and so many bytes
//
// `crc` is the CRC-32C of everything behind it up to the end of the records, `size` counts the records' bytes, `first` is the offset
// of the first record. `durable` is the offset below which everything was on the disk when the batch was written: a damaged batch
// below it is damage, one at or above it at the end of a log is a torn tail.
//
// Threads: plain values and pure functions. Time: about 0.2 µs to write a message of 500 bytes, 0.6 µs to read it.
// Errors:  corrupt "LogCorrupt".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "events/message.h"

namespace chaveiro::events::log {

inline constexpr std::size_t batch_head_size = 40;
inline constexpr std::size_t batch_records_max = 512;
inline constexpr std::size_t batch_bytes_aim = 128u << 10;  // a batch ends once it is so long
inline constexpr std::size_t message_bytes_max = 5u << 20;

// A message at its place in a partition.
struct Stored {
  std::uint64_t offset = 0;
  UtcTime at{};  // when it was appended
  Message message;
};

// Records on their way into a log, in batches with open heads.
class Batches {
 public:
  void add(const Message& message);
  // Fills in the heads. The batches then hold the offsets first, first + 1, ….
  void seal(std::uint64_t first, std::uint64_t durable, UtcTime at);

  bool empty() const { return records_ == 0; }
  std::uint64_t records() const { return records_; }
  const std::string& bytes() const { return bytes_; }
  struct Mark {
    std::uint64_t record;  // number of the first one in the batch
    std::size_t position;
  };
  const std::vector<Mark>& marks() const { return marks_; }
  void clear();

 private:
  std::string bytes_;
  std::vector<Mark> marks_;  // one for each batch
  std::uint64_t records_ = 0;
  std::uint64_t in_batch_ = 0;
};

struct BatchHead {
  std::uint32_t crc = 0, size = 0, count = 0;
  std::uint64_t first = 0, durable = 0;
  UtcTime at{};
  std::uint64_t end() const { return first + count; }
  std::size_t whole_size() const { return batch_head_size + size; }
};

// Nothing where no head stands at the front.
std::optional<BatchHead> read_batch_head(std::string_view bytes);
// Whether head and records (all of `bytes`, which is as long as the head says) are as they were written.
bool batch_is_whole(std::string_view bytes, const BatchHead& head);
// Appends the messages from `from` on.
Result<void> read_records(std::string_view bytes, const BatchHead& head, std::uint64_t from, std::vector<Stored>& out);

}  // namespace chaveiro::events::log
