// directory/lookup_segment.h
//
// The bytes of a look-up file, which holds the records of one writer and month, and how they are read back.
//
//   segment ::= header record*
//   header  ::= magic:8 = "CHVLKUP1"  month:u32  writer:text  zeros up to byte 160  check:32  mark      (256 bytes)
//   mark    ::= offset:u64  number:u64  hash:32  check:u64     all up to here was synced; hash and number of its last record
//   record  ::= size:u32 (of all that follows)  number:u64  body  previous:32  hash:32
//   body    ::= at:i64  ispb:8  outcome:u8  entry:16  key_hash:32  payer_hash:32  actor:text  correlation_id:text
//               end_to_end_id:text
//   text    ::= length:u32 bytes            numbers are written with the big end first
//
// hash = SHA-256 over all of the record before it, so a record is its own checksum; previous = hash of the record
// before, at the first record of a month that of the month before. Behind the last record the file may go on with zeros
// (it grows ahead of the records).
//
// Threads: pure functions and values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "directory/audit.h"
#include "directory/lookup_log.h"

namespace chaveiro::directory {

inline constexpr std::size_t lookup_header_size = 256;
inline constexpr std::size_t lookup_mark_at = 192;
inline constexpr std::size_t lookup_text_max = 4096;  // of actor, correlation id and end-to-end id each

// How far the file is known to be on disk, or where its records end.
struct LookupMark {
  std::uint64_t offset = lookup_header_size;
  std::uint64_t number = 0;
  Digest hash{};
};

std::string lookup_header(std::string_view writer, Month month, const LookupMark& mark);
std::string lookup_mark_bytes(const LookupMark& mark);

struct LookupHeader {
  std::string writer;
  Month month = 0;
  std::optional<LookupMark> mark;  // absent: it was torn
};
// Errors: corrupt.
Result<LookupHeader> read_lookup_header(std::string_view bytes);

// Appends the record to `out` and moves `mark` behind it.
void write_lookup(std::string& out, const LookupRecord& record, LookupMark& mark);

struct ReadLookup {
  LookupRecord record;
  std::uint64_t number = 0;
  Digest previous{};
  Digest hash{};
  bool whole = false;    // its content fits its hash
  std::size_t size = 0;  // in the file
};
// The record that `bytes` begin with. Nothing: there is none, or it is torn (what it says of its own length leads out of
// `bytes`, or cannot be).
std::optional<ReadLookup> read_lookup(std::string_view bytes);

// Goes from `mark` along whole records that follow one another, and answers where they end.
LookupMark last_whole_lookup(std::string_view bytes, LookupMark mark);

}  // namespace chaveiro::directory
