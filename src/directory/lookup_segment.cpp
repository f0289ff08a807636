#include "directory/lookup_segment.h"

#include <algorithm>

#include "base/hash.h"
#include "directory/bytes.h"

namespace chaveiro::directory {

namespace {

constexpr std::string_view magic = "CHVLKUP1";
constexpr std::size_t check_at = 160;
constexpr std::size_t record_min = 8 + 8 + 8 + 1 + 16 + 32 + 32 + 3 * 4 + 32 + 32;
constexpr std::size_t record_max = record_min + 3 * lookup_text_max;

std::uint64_t check_of(std::string_view bytes) {
  const Digest256 digest = sha256(bytes);
  return BytesIn(as_text(digest)).u64();
}

}  // namespace

std::string lookup_mark_bytes(const LookupMark& mark) {
  std::string bytes;
  BytesOut out(bytes);
  out.u64(mark.offset);
  out.u64(mark.number);
  out.raw(mark.hash);
  out.u64(check_of(bytes));
  return bytes;
}

std::string lookup_header(std::string_view writer, Month month, const LookupMark& mark) {
  std::string bytes(magic);
  BytesOut out(bytes);
  out.u32(month);
  out.text(writer);
  CHECK(bytes.size() <= check_at);
  bytes.resize(check_at);
  BytesOut(bytes).raw(sha256(bytes));
  bytes += lookup_mark_bytes(mark);
  bytes.resize(lookup_header_size);
  return bytes;
}

Result<LookupHeader> read_lookup_header(std::string_view bytes) {
  const Error broken = fail(Code::corrupt, "LookupFile", "the head of the file is damaged");
  if (bytes.size() < lookup_header_size || !bytes.starts_with(magic)) return broken;
  const Digest256 check = sha256(bytes.substr(0, check_at));
  if (as_text(check) != bytes.substr(check_at, check.size())) return broken;
  BytesIn in(bytes.substr(magic.size(), check_at - magic.size()));
  LookupHeader header;
  header.month = in.u32();
  header.writer = in.text();
  if (!in.ok()) return broken;
  BytesIn marked(bytes.substr(lookup_mark_at));
  LookupMark mark{marked.u64(), marked.u64(), marked.raw<32>()};
  if (marked.u64() == check_of(bytes.substr(lookup_mark_at, 48)) && mark.offset >= lookup_header_size)
    header.mark = mark;
  return header;
}

void write_lookup(std::string& out, const LookupRecord& record, LookupMark& mark) {
  const std::size_t begin = out.size();
  const auto shortened = [](std::string_view text) { return text.substr(0, lookup_text_max); };
  const std::string_view actor = shortened(record.actor), correlation_id = shortened(record.correlation_id),
                         end_to_end_id = shortened(record.end_to_end_id);
  BytesOut bytes(out);
  bytes.u32(static_cast<std::uint32_t>(record_min + actor.size() + correlation_id.size() + end_to_end_id.size()));
  bytes.u64(++mark.number);
  bytes.i64(record.at.time_since_epoch().count());
  out.append(record.ispb.view());
  bytes.u8(static_cast<std::uint8_t>(record.outcome));
  bytes.raw(record.entry.uuid.bytes());
  bytes.raw(record.key_hash);
  bytes.raw(record.payer_hash);
  bytes.text(actor);
  bytes.text(correlation_id);
  bytes.text(end_to_end_id);
  bytes.raw(mark.hash);
  mark.hash = sha256(std::string_view(out).substr(begin));
  bytes.raw(mark.hash);
  mark.offset += out.size() - begin;
}

std::optional<ReadLookup> read_lookup(std::string_view bytes) {
  const std::uint32_t size = BytesIn(bytes).u32();
  if (size < record_min || size > record_max || bytes.size() < size + 4u) return std::nullopt;
  const std::string_view whole = bytes.substr(0, size + 4u);
  BytesIn in(whole.substr(4));
  ReadLookup read;
  LookupRecord& record = read.record;
  read.size = whole.size();
  read.number = in.u64();
  record.at = UtcTime(Micros(in.i64()));
  const auto ispb = in.raw<8>();
  std::copy(ispb.begin(), ispb.end(), record.ispb.text.begin());
  record.outcome = static_cast<LookupOutcome>(in.u8());
  record.entry = {Uuid(in.raw<16>())};
  record.key_hash = in.raw<32>();
  record.payer_hash = in.raw<32>();
  record.actor = in.text();
  record.correlation_id = in.text();
  record.end_to_end_id = in.text();
  read.previous = in.raw<32>();
  read.hash = in.raw<32>();
  read.whole = in.done() && read.hash == sha256(whole.substr(0, whole.size() - 32));
  return read;
}

LookupMark last_whole_lookup(std::string_view bytes, LookupMark mark) {
  while (mark.offset < bytes.size()) {
    const auto read = read_lookup(bytes.substr(mark.offset));
    if (!read || !read->whole || read->number != mark.number + 1 || read->previous != mark.hash) break;
    mark = {mark.offset + read->size, read->number, read->hash};
  }
  return mark;
}

}  // namespace chaveiro::directory
