// clients/pulsar/wire/frame.h
//
// Frames of the Pulsar protocol, and the batches inside them.
//
//   simple  := size:u32 command_size:u32 command                                          (big-endian)
//   payload := size:u32 command_size:u32 command [0x0e02 n:u32 broker-metadata] [0x0e01 crc32c:u32] metadata_size:u32 metadata payload
//   batch   := (n:u32 single-metadata payload)*, compressed as a whole
//
// Threads: a FrameReader belongs to one; the functions are pure.
// Errors:  corrupt "ProtocolError" (the connection cannot go on), "ChecksumMismatch" (this message is damaged),
//          invalid "MessageTooLarge".
// Source:  Pulsar binary protocol.
#pragma once

#include "clients/pulsar/wire/messages.h"

namespace chaveiro::clients::pulsar::wire {

inline constexpr std::size_t message_size_max_default = 5u << 20;
inline constexpr std::size_t frame_padding = 10u << 10;

struct Frame {
  std::uint32_t type = 0;    // of the command; 0 is none
  std::string_view command;  // the message of that type
  std::string_view rest;     // behind the command: of MESSAGE and SEND
};

// Bytes in, frames out.
class FrameReader {
 public:
  explicit FrameReader(std::size_t frame_max = message_size_max_default + frame_padding) : frame_max_(frame_max) {}
  void set_frame_max(std::size_t bytes) { frame_max_ = bytes; }
  void feed(std::string_view bytes);
  // Nothing: more bytes are needed. What the frame points at lives until the next feed().
  Result<std::optional<Frame>> next();

 private:
  std::size_t frame_max_;
  std::string bytes_;
  std::size_t at_ = 0;
};

// The command in the front of a frame. Errors: corrupt.
Result<Frame> read_frame(std::string_view bytes_after_size);

template <class Command>
Result<Command> read_command(const Frame& frame) {
  return read_message<Command>(frame.command);
}

// BaseCommand with this command inside.
template <class Command>
std::string base_command(const Command& command) {
  std::string out;
  proto::put_varint(out, 1u << 3);
  proto::put_varint(out, Command::type);
  proto::put_varint(out, Command::type << 3 | 2u);
  proto::put_sized(out, [&] { append_message(out, command); });
  return out;
}

void append_simple_frame(std::string& out, std::string_view base_command);
template <class Command>
void append_frame(std::string& out, const Command& command) {
  append_simple_frame(out, base_command(command));
}
// Errors: invalid "MessageTooLarge".
Result<void> append_send_frame(std::string& out, const Send& send, const MessageMetadata& metadata,
                               std::string_view payload, std::size_t message_max = message_size_max_default);

// What stands behind a MESSAGE command.
struct Payload {
  MessageMetadata metadata;
  std::string_view bytes;  // compressed as the metadata says
};
Result<Payload> read_payload(std::string_view rest);

// Errors: corrupt (damaged, or other than so many bytes), invalid "CompressionUnknown" (ZLIB, SNAPPY).
// In the front of `into`, whose memory is used again; the bytes themselves where they are not compressed.
Result<std::string_view> compress(Compression how, std::string_view bytes, std::string& into);
Result<std::string> compress(Compression how, std::string_view bytes);
Result<std::string_view> decompress(Compression how, std::string_view bytes, std::size_t size, std::string& into,
                                    std::size_t size_max = 64u << 20);
Result<std::string> decompress(Compression how, std::string_view bytes, std::size_t size,
                               std::size_t size_max = 64u << 20);

// What it points at lives as long as the batch.
struct BatchedMessage {
  SingleMessageMetadataSeen metadata;
  std::string_view payload;
};
void put_size(std::string& out, std::size_t at, std::size_t size);  // over four bytes
template <class Text>
void append_batched(std::string& batch, SingleMessageMetadataOf<Text> metadata, std::string_view payload) {
  metadata.payload_size = static_cast<std::int32_t>(payload.size());
  const std::size_t at = batch.size();
  batch.append(sizeof(std::uint32_t), '\0');
  append_message(batch, metadata);
  put_size(batch, at, batch.size() - at - sizeof(std::uint32_t));
  batch.append(payload);
}
// `count` as the metadata of the entry says. Errors: corrupt.
Result<std::vector<BatchedMessage>> read_batch(std::string_view batch, std::int32_t count);

}  // namespace chaveiro::clients::pulsar::wire
