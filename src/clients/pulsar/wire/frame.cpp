#include "clients/pulsar/wire/frame.h"

#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "base/crc32c.h"

namespace chaveiro::clients::pulsar::wire {
namespace {

constexpr std::size_t size_bytes = 4;
constexpr std::string_view checksum_magic("\x0e\x01", 2);
constexpr std::string_view broker_metadata_magic("\x0e\x02", 2);
constexpr std::int32_t batch_messages_max = 1'000'000;

std::uint32_t get_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size_bytes; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}
void put_u32(std::string& out, std::size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

// Takes so many bytes from the front; nothing where there are fewer.
std::optional<std::string_view> take(std::string_view& bytes, std::size_t count) {
  if (bytes.size() < count) return std::nullopt;
  const std::string_view front = bytes.substr(0, count);
  bytes.remove_prefix(count);
  return front;
}
// The same for a size of four bytes and what it counts.
std::optional<std::string_view> take_sized(std::string_view& bytes) {
  const auto size = take(bytes, size_bytes);
  return size ? take(bytes, get_u32(*size)) : std::nullopt;
}

}  // namespace

void FrameReader::feed(std::string_view bytes) {
  if (at_ > 0) {
    bytes_.erase(0, at_);
    at_ = 0;
  }
  bytes_.append(bytes);
}

Result<std::optional<Frame>> FrameReader::next() {
  const std::string_view left = std::string_view(bytes_).substr(at_);
  if (left.size() < size_bytes) return std::optional<Frame>();
  const std::size_t size = get_u32(left);
  if (size > frame_max_) return protocol_error("a frame is longer than the connection allows");
  if (left.size() < size_bytes + size) return std::optional<Frame>();
  at_ += size_bytes + size;
  TRY(const Frame frame, read_frame(left.substr(size_bytes, size)));
  return std::optional<Frame>(frame);
}

Result<Frame> read_frame(std::string_view bytes) {
  const auto command = take_sized(bytes);
  if (!command) return protocol_error("a command is longer than its frame");
  Frame frame;
  frame.rest = bytes;
  proto::Cursor in{command->data(), command->data() + command->size()};
  std::string_view inner;
  std::uint32_t inner_number = 0;
  while (!in.done()) {
    const std::uint64_t tag = in.varint();
    if (in.bad || tag >> 3 == 0) return protocol_error("a command could not be decoded");
    if (tag == (1u << 3)) {
      frame.type = static_cast<std::uint32_t>(in.varint());
    } else if ((tag & 7) == proto::bytes_type) {
      const std::string_view bytes_of_field = in.bytes();
      if (inner_number == 0 || tag >> 3 == frame.type) {
        inner_number = static_cast<std::uint32_t>(tag >> 3);
        inner = bytes_of_field;
      }
    } else {
      in.skip(static_cast<std::uint32_t>(tag & 7));
    }
  }
  if (in.bad || frame.type == 0) return protocol_error("a command could not be decoded");
  if (inner_number == frame.type) frame.command = inner;
  return frame;
}

void append_simple_frame(std::string& out, std::string_view base_command) {
  put_u32(out, base_command.size() + size_bytes);
  put_u32(out, base_command.size());
  out.append(base_command);
}

Result<void> append_send_frame(std::string& out, const Send& send, const MessageMetadata& metadata,
                               std::string_view payload, std::size_t message_max) {
  const std::string command = base_command(send), meta = to_bytes(metadata);
  if (payload.size() > message_max || payload.size() + meta.size() > message_max + frame_padding)
    return fail(Code::invalid, "MessageTooLarge",
                "the message has " + std::to_string(payload.size()) + " bytes; the broker takes " +
                    std::to_string(message_max));
  constexpr std::size_t checksum_size = 6;
  const std::size_t size = size_bytes + command.size() + checksum_size + size_bytes + meta.size() + payload.size();
  out.reserve(out.size() + size_bytes + size);
  put_u32(out, size);
  put_u32(out, command.size());
  out.append(command).append(checksum_magic);
  std::string sized;
  put_u32(sized, meta.size());
  put_u32(out, crc32c(payload, crc32c(meta, crc32c(sized))));
  out.append(sized).append(meta).append(payload);
  return {};
}

Result<Payload> read_payload(std::string_view rest) {
  if (rest.starts_with(broker_metadata_magic)) {
    rest.remove_prefix(broker_metadata_magic.size());
    if (!take_sized(rest)) return protocol_error("a broker's metadata is longer than its frame");
  }
  if (rest.starts_with(checksum_magic)) {
    rest.remove_prefix(checksum_magic.size());
    const auto sum = take(rest, size_bytes);
    if (!sum) return protocol_error("a frame ends within its checksum");
    if (crc32c(rest) != get_u32(*sum))
      return fail(Code::corrupt, "ChecksumMismatch", "a message was damaged on its way");
  }
  const auto metadata = take_sized(rest);
  if (!metadata) return protocol_error("a message's metadata is longer than its frame");
  Payload payload;
  TRY(payload.metadata, read_message<MessageMetadata>(*metadata));
  payload.bytes = rest;
  return payload;
}

Result<std::string_view> compress(Compression how, std::string_view bytes, std::string& into) {
  const auto room = [&](std::size_t size) {
    if (into.size() < size) into.resize(size);
  };
  if (how == Compression::lz4) {
    room(static_cast<std::size_t>(::LZ4_compressBound(static_cast<int>(bytes.size()))));
    const int size = ::LZ4_compress_default(bytes.data(), into.data(), static_cast<int>(bytes.size()),
                                            static_cast<int>(into.size()));
    return std::string_view(into).substr(0, static_cast<std::size_t>(size));
  }
  if (how == Compression::zstd) {
    thread_local const std::unique_ptr<ZSTD_CCtx, decltype(&::ZSTD_freeCCtx)> context(::ZSTD_createCCtx(),
                                                                                      ::ZSTD_freeCCtx);
    room(::ZSTD_compressBound(bytes.size()));
    const std::size_t size =
        ::ZSTD_compressCCtx(context.get(), into.data(), into.size(), bytes.data(), bytes.size(), 3);
    if (::ZSTD_isError(size) != 0)
      return fail(Code::internal, "CompressionFailed", "ZSTD could not compress a message");
    return std::string_view(into).substr(0, size);
  }
  if (how == Compression::none) return bytes;
  return fail(Code::invalid, "CompressionUnknown", "messages are compressed with LZ4 or ZSTD, or not at all");
}

Result<std::string> compress(Compression how, std::string_view bytes) {
  std::string into;
  TRY(const std::string_view packed, compress(how, bytes, into));
  return std::string(packed);
}

Result<std::string_view> decompress(Compression how, std::string_view bytes, std::size_t size, std::string& into,
                                    std::size_t size_max) {
  if (how == Compression::none) return bytes;
  if (how != Compression::lz4 && how != Compression::zstd)
    return fail(Code::invalid, "CompressionUnknown",
                "the message is compressed with ZLIB or SNAPPY, which this client does not read");
  if (size > size_max || bytes.size() > size_max) return protocol_error("a message would be longer than allowed");
  if (into.size() < size) into.resize(size);
  thread_local const std::unique_ptr<ZSTD_DCtx, decltype(&::ZSTD_freeDCtx)> context(::ZSTD_createDCtx(),
                                                                                    ::ZSTD_freeDCtx);
  const bool whole = how == Compression::lz4
                         ? ::LZ4_decompress_safe(bytes.data(), into.data(), static_cast<int>(bytes.size()),
                                                 static_cast<int>(size)) == static_cast<int>(size)
                         : ::ZSTD_decompressDCtx(context.get(), into.data(), size, bytes.data(), bytes.size()) == size;
  if (!whole) return protocol_error("a compressed message is damaged");
  return std::string_view(into).substr(0, size);
}

Result<std::string> decompress(Compression how, std::string_view bytes, std::size_t size, std::size_t size_max) {
  std::string into;
  TRY(const std::string_view plain, decompress(how, bytes, size, into, size_max));
  return std::string(plain);
}

void put_size(std::string& out, std::size_t at, std::size_t size) {
  for (std::size_t i = 0; i < size_bytes; ++i) out[at + i] = static_cast<char>(size >> (24 - 8 * i));
}

Result<std::vector<BatchedMessage>> read_batch(std::string_view batch, std::int32_t count) {
  if (count < 0 || count > batch_messages_max) return protocol_error("a batch cannot hold so many messages");
  std::vector<BatchedMessage> messages;
  messages.reserve(std::min<std::size_t>(static_cast<std::size_t>(count), batch.size() / size_bytes));
  for (std::int32_t i = 0; i < count; ++i) {
    const auto meta = take_sized(batch);
    if (!meta) return protocol_error("a batch ends within a message");
    BatchedMessage message;
    TRY(message.metadata, read_message<SingleMessageMetadataSeen>(*meta));
    if (message.metadata.payload_size < 0) return protocol_error("a message of a batch has a negative size");
    const auto payload = take(batch, static_cast<std::size_t>(message.metadata.payload_size));
    if (!payload) return protocol_error("a batch ends within a message");
    message.payload = *payload;
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace chaveiro::clients::pulsar::wire
