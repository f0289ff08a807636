// base/crc32c.h
//
// CRC-32C (Castagnoli), the checksum of frames and log segments: finds torn and flipped data, proves nothing about who made it.
//
// Threads: any.
// Time:    about 10 GB/s with SSE 4.2, 0.4 GB/s without (told at run time).
// Source:  RFC 3720, appendix B.4.
#pragma once

#include <cstdint>
#include <string_view>

namespace chaveiro {

// Goes on from the sum of what came before: crc32c(b, crc32c(a)) is the sum of a followed by b.
std::uint32_t crc32c(std::string_view data, std::uint32_t before = 0);

}  // namespace chaveiro
