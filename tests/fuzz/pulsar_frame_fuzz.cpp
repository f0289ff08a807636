// Bytes of a broker: frames, commands, metadata, batches.
#include "clients/pulsar/wire/frame.h"

#include <cstddef>
#include <cstdint>

namespace wire = chaveiro::clients::pulsar::wire;

namespace {

// What a broker may say to a client.
template <class... Commands>
void read_as(const wire::Frame& frame) {
  (static_cast<void>(wire::read_command<Commands>(frame)), ...);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wire::FrameReader reader(1u << 20);
  reader.feed({reinterpret_cast<const char*>(data), size});
  for (;;) {
    const auto frame = reader.next();
    if (!frame || !*frame) return 0;
    read_as<wire::Connected, wire::LookupResponse, wire::PartitionedMetadataResponse, wire::TopicsOfNamespaceResponse,
            wire::ProducerSuccess, wire::SendReceipt, wire::SendError, wire::MessageCommand, wire::AckResponse,
            wire::ActiveConsumerChange, wire::AuthChallenge, wire::ErrorCommand, wire::CloseProducer,
            wire::CloseConsumer, wire::GetLastMessageIdResponse, wire::Subscribe>(**frame);
    const auto payload = wire::read_payload((*frame)->rest);
    if (!payload) continue;
    const auto bytes = wire::decompress(payload->metadata.compression.value_or(wire::Compression::none), payload->bytes,
                                        payload->metadata.uncompressed_size.value_or(0), 1u << 20);
    if (bytes) static_cast<void>(wire::read_batch(*bytes, payload->metadata.num_messages_in_batch.value_or(1)));
  }
}
