// events/key_hash.h
//
// Which partition a key belongs to. Every producer of a topic must agree on it, and the usual clients do not agree on a default:
// ours say it. Both hashes lose their sign bit, then the remainder by the number of partitions counts.
//
// Threads: any. Time: linear in the key.
// Source:  MurmurHash3_x86_32 (Appleby), seed 0; java.lang.String.hashCode over UTF-16 units.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace chaveiro::events {

enum class KeyHash : std::uint8_t { murmur3, java };
std::string_view to_string(KeyHash hash);  // murmur3 java
std::optional<KeyHash> key_hash_of(std::string_view text);

std::uint32_t murmur3_32(std::string_view data);
// Malformed bytes count as U+FFFD each, as Java reads them.
std::uint32_t java_string_hash(std::string_view utf8);

// 0 ≤ result < partitions, which must not be 0.
std::uint32_t partition_of(std::string_view key, KeyHash hash, std::uint32_t partitions);

}  // namespace chaveiro::events
