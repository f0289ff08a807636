// clients/pulsar/wire/messages.h
//
// The messages of the Pulsar protocol that a client needs, with the field names and numbers that the protocol documents. A command's
// `type` is its number in BaseCommand, both as BaseCommand.type and as the field that carries it.
//
// Threads: plain values.
// Source:  Pulsar binary protocol, versions up to 20.
#pragma once

#include "clients/pulsar/wire/proto.h"

namespace chaveiro::clients::pulsar::wire {

inline constexpr std::int32_t protocol_version = 20;

enum class Compression : std::int32_t { none = 0, lz4 = 1, zlib = 2, zstd = 3, snappy = 4 };
enum class SubType : std::int32_t { exclusive = 0, shared = 1, failover = 2, key_shared = 3 };
enum class InitialPosition : std::int32_t { latest = 0, earliest = 1 };
enum class AckType : std::int32_t { individual = 0, cumulative = 1 };
enum class AccessMode : std::int32_t { shared = 0, exclusive = 1, wait_for_exclusive = 2, exclusive_with_fencing = 3 };
enum class LookupType : std::int32_t { redirect = 0, connect = 1, failed = 2 };
enum class ServerError : std::int32_t {
  unknown = 0,
  metadata = 1,
  persistence = 2,
  authentication = 3,
  authorization = 4,
  consumer_busy = 5,
  service_not_ready = 6,
  producer_blocked_quota = 7,
  producer_blocked_quota_exception = 8,
  checksum = 9,
  unsupported_version = 10,
  topic_not_found = 11,
  subscription_not_found = 12,
  consumer_not_found = 13,
  too_many_requests = 14,
  topic_terminated = 15,
  producer_busy = 16,
  invalid_topic_name = 17,
  incompatible_schema = 18,
  consumer_assign = 19,
  not_allowed = 22,
  producer_fenced = 25,
};

// Text: std::string, or std::string_view where the bytes outlive it.
template <class Text>
struct KeyValueOf {
  Text key, value;
  template <class V>
  void fields(V& v) {
    v(1, key), v(2, value);
  }
  bool operator==(const KeyValueOf&) const = default;
};
using KeyValue = KeyValueOf<std::string>;

struct MessageIdData {
  std::uint64_t ledger_id = 0, entry_id = 0;
  std::optional<std::int32_t> partition, batch_index;
  std::vector<std::int64_t> ack_set;
  std::optional<std::int32_t> batch_size;
  template <class V>
  void fields(V& v) {
    v(1, ledger_id), v(2, entry_id), v(3, partition), v(4, batch_index), v(5, ack_set), v(6, batch_size);
  }
  bool operator==(const MessageIdData&) const = default;
};

struct MessageMetadata {
  std::string producer_name;
  std::uint64_t sequence_id = 0, publish_time = 0;
  std::vector<KeyValue> properties;
  std::optional<std::string> partition_key;
  std::optional<Compression> compression;
  std::optional<std::uint32_t> uncompressed_size;
  std::optional<std::int32_t> num_messages_in_batch;
  std::optional<std::uint64_t> event_time;
  std::optional<bool> partition_key_b64_encoded;
  std::optional<std::string> ordering_key;
  std::optional<std::int64_t> deliver_at_time;
  std::optional<std::int32_t> marker_type;
  std::optional<std::uint64_t> highest_sequence_id;
  std::optional<bool> null_value;
  std::optional<std::string> uuid;
  std::optional<std::int32_t> num_chunks_from_msg;
  template <class V>
  void fields(V& v) {
    v(1, producer_name), v(2, sequence_id), v(3, publish_time), v(4, properties), v(6, partition_key);
    v(8, compression), v(9, uncompressed_size), v(11, num_messages_in_batch), v(12, event_time);
    v(17, partition_key_b64_encoded), v(18, ordering_key), v(19, deliver_at_time), v(20, marker_type);
    v(24, highest_sequence_id), v(25, null_value), v(26, uuid), v(27, num_chunks_from_msg);
  }
  bool operator==(const MessageMetadata&) const = default;
};

template <class Text>
struct SingleMessageMetadataOf {
  std::vector<KeyValueOf<Text>> properties;
  std::optional<Text> partition_key;
  std::int32_t payload_size = 0;
  std::optional<bool> compacted_out;
  std::optional<std::uint64_t> event_time;
  std::optional<bool> partition_key_b64_encoded;
  std::optional<Text> ordering_key;
  std::optional<std::uint64_t> sequence_id;
  std::optional<bool> null_value;
  template <class V>
  void fields(V& v) {
    v(1, properties), v(2, partition_key), v(3, payload_size), v(4, compacted_out), v(5, event_time);
    v(6, partition_key_b64_encoded), v(7, ordering_key), v(8, sequence_id), v(9, null_value);
  }
  bool operator==(const SingleMessageMetadataOf&) const = default;
};
using SingleMessageMetadata = SingleMessageMetadataOf<std::string>;
using SingleMessageMetadataSeen = SingleMessageMetadataOf<std::string_view>;

struct FeatureFlags {
  bool supports_auth_refresh = true;
  template <class V>
  void fields(V& v) {
    v(1, supports_auth_refresh);
  }
};

struct Connect {
  static constexpr std::uint32_t type = 2;
  std::string client_version;
  std::optional<std::string> auth_data;
  std::int32_t protocol = protocol_version;
  std::optional<std::string> auth_method_name, proxy_to_broker_url;
  FeatureFlags feature_flags;
  template <class V>
  void fields(V& v) {
    v(1, client_version), v(3, auth_data), v(4, protocol), v(5, auth_method_name), v(6, proxy_to_broker_url);
    v(10, feature_flags);
  }
};

struct Connected {
  static constexpr std::uint32_t type = 3;
  std::string server_version;
  std::int32_t protocol = 0;
  std::optional<std::int32_t> max_message_size;
  template <class V>
  void fields(V& v) {
    v(1, server_version), v(2, protocol), v(3, max_message_size);
  }
};

struct KeySharedMeta {
  std::int32_t mode = 0;  // AUTO_SPLIT
  template <class V>
  void fields(V& v) {
    v(1, mode);
  }
};

struct Subscribe {
  static constexpr std::uint32_t type = 4;
  std::string topic, subscription;
  SubType sub_type = SubType::exclusive;
  std::uint64_t consumer_id = 0, request_id = 0;
  std::optional<std::string> consumer_name;
  std::optional<std::int32_t> priority_level;
  bool durable = true;
  std::optional<MessageIdData> start_message_id;
  InitialPosition initial_position = InitialPosition::latest;
  std::optional<KeySharedMeta> key_shared;
  std::optional<std::uint64_t> consumer_epoch;
  template <class V>
  void fields(V& v) {
    v(1, topic), v(2, subscription), v(3, sub_type), v(4, consumer_id), v(5, request_id), v(6, consumer_name);
    v(7, priority_level), v(8, durable), v(9, start_message_id), v(13, initial_position), v(17, key_shared);
    v(19, consumer_epoch);
  }
};

struct Producer {
  static constexpr std::uint32_t type = 5;
  std::string topic;
  std::uint64_t producer_id = 0, request_id = 0;
  std::optional<std::string> producer_name;
  std::uint64_t epoch = 0;
  bool user_provided_name = false;
  AccessMode access_mode = AccessMode::shared;
  std::optional<std::uint64_t> topic_epoch;
  std::optional<std::string> initial_subscription;
  template <class V>
  void fields(V& v) {
    v(1, topic), v(2, producer_id), v(3, request_id), v(4, producer_name), v(8, epoch), v(9, user_provided_name);
    v(10, access_mode), v(11, topic_epoch), v(13, initial_subscription);
  }
};

struct Send {
  static constexpr std::uint32_t type = 6;
  std::uint64_t producer_id = 0, sequence_id = 0;
  std::int32_t num_messages = 1;
  std::optional<std::uint64_t> highest_sequence_id;
  template <class V>
  void fields(V& v) {
    v(1, producer_id), v(2, sequence_id), v(3, num_messages), v(6, highest_sequence_id);
  }
};

struct SendReceipt {
  static constexpr std::uint32_t type = 7;
  std::uint64_t producer_id = 0, sequence_id = 0;
  MessageIdData message_id;
  template <class V>
  void fields(V& v) {
    v(1, producer_id), v(2, sequence_id), v(3, message_id);
  }
};

struct SendError {
  static constexpr std::uint32_t type = 8;
  std::uint64_t producer_id = 0, sequence_id = 0;
  ServerError error = ServerError::unknown;
  std::string message;
  template <class V>
  void fields(V& v) {
    v(1, producer_id), v(2, sequence_id), v(3, error), v(4, message);
  }
};

struct MessageCommand {
  static constexpr std::uint32_t type = 9;
  std::uint64_t consumer_id = 0;
  MessageIdData message_id;
  std::uint32_t redelivery_count = 0;
  std::vector<std::int64_t> ack_set;
  std::optional<std::uint64_t> consumer_epoch;
  template <class V>
  void fields(V& v) {
    v(1, consumer_id), v(2, message_id), v(3, redelivery_count), v(4, ack_set), v(5, consumer_epoch);
  }
};

struct Ack {
  static constexpr std::uint32_t type = 10;
  std::uint64_t consumer_id = 0;
  AckType ack_type = AckType::individual;
  std::vector<MessageIdData> message_id;
  std::optional<std::uint64_t> request_id;
  template <class V>
  void fields(V& v) {
    v(1, consumer_id), v(2, ack_type), v(3, message_id), v(8, request_id);
  }
};

struct Flow {
  static constexpr std::uint32_t type = 11;
  std::uint64_t consumer_id = 0;
  std::uint32_t permits = 0;
  template <class V>
  void fields(V& v) {
    v(1, consumer_id), v(2, permits);
  }
};

struct Unsubscribe {
  static constexpr std::uint32_t type = 12;
  std::uint64_t consumer_id = 0, request_id = 0;
  template <class V>
  void fields(V& v) {
    v(1, consumer_id), v(2, request_id);
  }
};

struct Success {
  static constexpr std::uint32_t type = 13;
  std::uint64_t request_id = 0;
  template <class V>
  void fields(V& v) {
    v(1, request_id);
  }
};

struct ErrorCommand {
  static constexpr std::uint32_t type = 14;
  std::uint64_t request_id = 0;
  ServerError error = ServerError::unknown;
  std::string message;
  template <class V>
  void fields(V& v) {
    v(1, request_id), v(2, error), v(3, message);
  }
};

struct CloseProducer {
  static constexpr std::uint32_t type = 15;
  std::uint64_t producer_id = 0, request_id = 0;
  std::optional<std::string> assigned_url, assigned_url_tls;
  template <class V>
  void fields(V& v) {
    v(1, producer_id), v(2, request_id), v(3, assigned_url), v(4, assigned_url_tls);
  }
};

struct CloseConsumer {
  static constexpr std::uint32_t type = 16;
  std::uint64_t consumer_id = 0, request_id = 0;
  std::optional<std::string> assigned_url, assigned_url_tls;
  template <class V>
  void fields(V& v) {
    v(1, consumer_id), v(2, request_id), v(3, assigned_url), v(4, assigned_url_tls);
  }
};

struct ProducerSuccess {
  static constexpr std::uint32_t type = 17;
  std::uint64_t request_id = 0;
  std::string producer_name;
  std::int64_t last_sequence_id = -1;
  std::optional<std::uint64_t> topic_epoch;
  bool ready = true;
  template <class V>
  void fields(V& v) {
    v(1, request_id), v(2, producer_name), v(3, last_sequence_id), v(5, topic_epoch), v(6, ready);
  }
};

struct Ping {
  static constexpr std::uint32_t type = 18;
  template <class V>
  void fields(V&) {}
};
struct Pong {
  static constexpr std::uint32_t type = 19;
  template <class V>
  void fields(V&) {}
};

struct Redeliver {
  static constexpr std::uint32_t type = 20;
  std::uint64_t consumer_id = 0;
  std::vector<MessageIdData> message_ids;
  std::optional<std::uint64_t> consumer_epoch;
  template <class V>
  void fields(V& v) {
    v(1, consumer_id), v(2, message_ids), v(3, consumer_epoch);
  }
};

struct PartitionedMetadata {
  static constexpr std::uint32_t type = 21;
  std::string topic;
  std::uint64_t request_id = 0;
  template <class V>
  void fields(V& v) {
    v(1, topic), v(2, request_id);
  }
};

struct PartitionedMetadataResponse {
  static constexpr std::uint32_t type = 22;
  std::uint32_t partitions = 0;
  std::uint64_t request_id = 0;
  std::int32_t response = 0;  // 1: failed
  std::optional<ServerError> error;
  std::string message;
  template <class V>
  void fields(V& v) {
    v(1, partitions), v(2, request_id), v(3, response), v(4, error), v(5, message);
  }
};

struct Lookup {
  static constexpr std::uint32_t type = 23;
  std::string topic;
  std::uint64_t request_id = 0;
  bool authoritative = false;
  template <class V>
  void fields(V& v) {
    v(1, topic), v(2, request_id), v(3, authoritative);
  }
};

struct LookupResponse {
  static constexpr std::uint32_t type = 24;
  std::optional<std::string> broker_url, broker_url_tls;
  LookupType response = LookupType::failed;
  std::uint64_t request_id = 0;
  bool authoritative = false;
  std::optional<ServerError> error;
  std::string message;
  bool proxy_through_service_url = false;
  template <class V>
  void fields(V& v) {
    v(1, broker_url), v(2, broker_url_tls), v(3, response), v(4, request_id), v(5, authoritative), v(6, error);
    v(7, message), v(8, proxy_through_service_url);
  }
};

struct ReachedEndOfTopic {
  static constexpr std::uint32_t type = 27;
  std::uint64_t consumer_id = 0;
  template <class V>
  void fields(V& v) {
    v(1, consumer_id);
  }
};

struct Seek {
  static constexpr std::uint32_t type = 28;
  std::uint64_t consumer_id = 0, request_id = 0;
  std::optional<MessageIdData> message_id;
  std::optional<std::uint64_t> publish_time;
  template <class V>
  void fields(V& v) {
    v(1, consumer_id), v(2, request_id), v(3, message_id), v(4, publish_time);
  }
};

struct GetLastMessageId {
  static constexpr std::uint32_t type = 29;
  std::uint64_t consumer_id = 0, request_id = 0;
  template <class V>
  void fields(V& v) {
    v(1, consumer_id), v(2, request_id);
  }
};

struct GetLastMessageIdResponse {
  static constexpr std::uint32_t type = 30;
  MessageIdData last_message_id;
  std::uint64_t request_id = 0;
  template <class V>
  void fields(V& v) {
    v(1, last_message_id), v(2, request_id);
  }
};

struct ActiveConsumerChange {
  static constexpr std::uint32_t type = 31;
  std::uint64_t consumer_id = 0;
  bool is_active = false;
  template <class V>
  void fields(V& v) {
    v(1, consumer_id), v(2, is_active);
  }
};

enum class TopicsMode : std::int32_t { persistent = 0, non_persistent = 1, all = 2 };
struct TopicsOfNamespace {
  static constexpr std::uint32_t type = 32;
  std::uint64_t request_id = 0;
  std::string name_space;
  TopicsMode mode = TopicsMode::persistent;
  template <class V>
  void fields(V& v) {
    v(1, request_id), v(2, name_space), v(3, mode);
  }
};
struct TopicsOfNamespaceResponse {
  static constexpr std::uint32_t type = 33;
  std::uint64_t request_id = 0;
  std::vector<std::string> topics;
  template <class V>
  void fields(V& v) {
    v(1, request_id), v(2, topics);
  }
};

struct AuthData {
  std::optional<std::string> method, data;
  template <class V>
  void fields(V& v) {
    v(1, method), v(2, data);
  }
};
struct AuthChallenge {
  static constexpr std::uint32_t type = 36;
  AuthData challenge;
  template <class V>
  void fields(V& v) {
    v(2, challenge);
  }
};
struct AuthResponse {
  static constexpr std::uint32_t type = 37;
  std::string client_version;
  AuthData response;
  std::int32_t protocol = protocol_version;
  template <class V>
  void fields(V& v) {
    v(1, client_version), v(2, response), v(3, protocol);
  }
};

struct AckResponse {
  static constexpr std::uint32_t type = 38;
  std::uint64_t consumer_id = 0;
  std::optional<ServerError> error;
  std::string message;
  std::uint64_t request_id = 0;
  template <class V>
  void fields(V& v) {
    v(1, consumer_id), v(4, error), v(5, message), v(6, request_id);
  }
};

struct TopicMigrated {
  static constexpr std::uint32_t type = 68;
  std::uint64_t resource_id = 0;
  std::int32_t resource_type = 0;
  std::optional<std::string> broker_url, broker_url_tls;
  template <class V>
  void fields(V& v) {
    v(1, resource_id), v(2, resource_type), v(3, broker_url), v(4, broker_url_tls);
  }
};

}  // namespace chaveiro::clients::pulsar::wire
