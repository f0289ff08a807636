#include "events/log/record.h"

#include <cstring>

#include "base/crc32c.h"

namespace chaveiro::events::log {
namespace {

constexpr std::string_view magic = "CHVB";
constexpr std::size_t summed_from = 8;  // behind magic and sum

template <class T>
void put(char* at, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) at[i] = static_cast<char>(value >> (8 * i));
}
template <class T>
T get(const char* at) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<T>(static_cast<T>(static_cast<unsigned char>(at[i])) << (8 * i));
  return value;
}

void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}
void put_bytes(std::string& out, std::string_view bytes) {
  put_varint(out, bytes.size());
  out.append(bytes);
}
std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

// Reads forward; once something does not fit, `bad` stays set and everything reads as empty.
struct Reader {
  const char* at;
  const char* end;
  bool bad = false;

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at == end) return bad = true, 0;
      const auto byte = static_cast<unsigned char>(*at++);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return bad = true, 0;
  }
  std::string_view bytes() {
    const std::uint64_t size = varint();
    if (bad || size > static_cast<std::uint64_t>(end - at)) return bad = true, std::string_view();
    const std::string_view found(at, size);
    at += size;
    return found;
  }
};

constexpr std::int64_t no_delivery_time = INT64_MIN;

void skip_record(Reader& in) {
  in.bytes(), in.bytes(), in.varint(), in.varint(), in.varint();
  for (std::uint64_t left = in.varint(); left > 0 && !in.bad; --left) in.bytes(), in.bytes();
}

void read_record(Reader& in, Message& message) {
  message.body = in.bytes();
  message.key = in.bytes();
  message.event_time = UtcTime(Micros(unzigzag(in.varint())));
  if (const std::int64_t time = unzigzag(in.varint()); time != no_delivery_time)
    message.deliver_at = UtcTime(Micros(time));
  message.sequence = in.varint();
  const std::uint64_t count = in.varint();
  if (in.bad || count > static_cast<std::uint64_t>(in.end - in.at)) return void(in.bad = true);
  message.headers.reserve(count);
  for (std::uint64_t left = count; left > 0 && !in.bad; --left) {
    const std::string_view name = in.bytes();
    message.headers.emplace_back(name, in.bytes());
  }
}

}  // namespace

void Batches::add(const Message& message) {
  if (marks_.empty() || in_batch_ == batch_records_max || bytes_.size() - marks_.back().position >= batch_bytes_aim) {
    marks_.push_back({records_, bytes_.size()});
    bytes_.append(batch_head_size, '\0');
    in_batch_ = 0;
  }
  put_bytes(bytes_, message.body);
  put_bytes(bytes_, message.key);
  put_varint(bytes_, zigzag(message.event_time.time_since_epoch().count()));
  put_varint(bytes_, zigzag(message.deliver_at ? message.deliver_at->time_since_epoch().count() : no_delivery_time));
  put_varint(bytes_, message.sequence);
  put_varint(bytes_, message.headers.size());
  for (const auto& [name, value] : message.headers) put_bytes(bytes_, name), put_bytes(bytes_, value);
  ++records_;
  ++in_batch_;
}

void Batches::seal(std::uint64_t first, std::uint64_t durable, UtcTime at) {
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    const bool last = i + 1 == marks_.size();
    const std::size_t end = last ? bytes_.size() : marks_[i + 1].position;
    const std::uint64_t next = last ? records_ : marks_[i + 1].record;
    char* const head = bytes_.data() + marks_[i].position;
    std::memcpy(head, magic.data(), magic.size());
    put<std::uint32_t>(head + 8, static_cast<std::uint32_t>(end - marks_[i].position - batch_head_size));
    put<std::uint32_t>(head + 12, static_cast<std::uint32_t>(next - marks_[i].record));
    put<std::uint64_t>(head + 16, first + marks_[i].record);
    put<std::uint64_t>(head + 24, durable);
    put<std::uint64_t>(head + 32, static_cast<std::uint64_t>(at.time_since_epoch().count()));
    put<std::uint32_t>(head + 4, crc32c({head + summed_from, end - marks_[i].position - summed_from}));
  }
}

void Batches::clear() {
  bytes_.clear();
  marks_.clear();
  records_ = in_batch_ = 0;
}

std::optional<BatchHead> read_batch_head(std::string_view bytes) {
  if (bytes.size() < batch_head_size || !bytes.starts_with(magic)) return std::nullopt;
  const char* const head = bytes.data();
  BatchHead read;
  read.crc = get<std::uint32_t>(head + 4);
  read.size = get<std::uint32_t>(head + 8);
  read.count = get<std::uint32_t>(head + 12);
  read.first = get<std::uint64_t>(head + 16);
  read.durable = get<std::uint64_t>(head + 24);
  read.at = UtcTime(Micros(static_cast<std::int64_t>(get<std::uint64_t>(head + 32))));
  if (read.count == 0 || read.count > batch_records_max || read.size > batch_bytes_aim + 2 * message_bytes_max)
    return std::nullopt;
  return read;
}

bool batch_is_whole(std::string_view bytes, const BatchHead& head) {
  return bytes.size() == head.whole_size() && crc32c(bytes.substr(summed_from)) == head.crc;
}

Result<void> read_records(std::string_view bytes, const BatchHead& head, std::uint64_t from, std::vector<Stored>& out) {
  Reader in{bytes.data() + batch_head_size, bytes.data() + bytes.size()};
  for (std::uint64_t offset = head.first; offset < head.end() && !in.bad; ++offset) {
    if (offset < from) {
      skip_record(in);
      continue;
    }
    Stored& stored = out.emplace_back();
    stored.offset = offset;
    stored.at = head.at;
    read_record(in, stored.message);
  }
  if (in.bad || in.at != in.end)
    return fail(Code::corrupt, "LogCorrupt",
                "the batch at offset " + std::to_string(head.first) + " does not hold the records that it should");
  return {};
}

}  // namespace chaveiro::events::log
