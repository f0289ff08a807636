// The walk along chains of audit records, and anchors: what proves that nobody touched them.
#include <algorithm>

#include "base/encoding.h"
#include "base/hash.h"
#include "base/text.h"
#include "directory/anchor_text.h"
#include "directory/audit.h"
#include "directory/bytes.h"

namespace chaveiro::directory {

namespace {

constexpr std::size_t faults_max = 1000;

std::string name_of(std::string_view writer, Month month) {
  return "chain " + std::string(writer) + "/" + std::to_string(month);
}

Digest mac_of(const Secret& installation_key, const Anchor& anchor) {
  std::string bytes;
  BytesOut out(bytes);
  out.text("anchor");
  out.text(anchor.chain);
  out.text(anchor.writer);
  out.u32(anchor.month);
  out.u64(anchor.number);
  out.raw(anchor.head);
  return hmac_sha256(installation_key.expose(), bytes);
}

}  // namespace

std::string_view to_string(ChainFault::Kind kind) {
  static constexpr std::string_view names[] = {"changed", "missing", "reordered", "cut", "torn"};
  return names[static_cast<std::size_t>(kind)];
}

Anchor sign_anchor(const Secret& installation_key, Anchor anchor) {
  anchor.mac = mac_of(installation_key, anchor);
  return anchor;
}

std::string to_json_line(const Anchor& anchor) {
  return "{\"chain\":" + to_json_string(anchor.chain) + ",\"writer\":" + to_json_string(anchor.writer) +
         ",\"month\":" + std::to_string(anchor.month) + ",\"number\":" + std::to_string(anchor.number) +
         ",\"head\":\"" + to_hex(anchor.head) + "\",\"mac\":\"" + to_hex(anchor.mac) + "\"}";
}

Result<Anchor> read_anchor(const Secret& installation_key, std::string_view line) {
  TRY(Anchor anchor, parse_anchor_text(line));
  if (!constant_time_equal(ByteView(anchor.mac), ByteView(mac_of(installation_key, anchor))))
    return fail(Code::corrupt, "Anchor",
                "the anchor's signature does not fit: it was changed, or signed with another installation's key");
  return anchor;
}

ChainChecker::ChainChecker(std::string chain) : chain_(std::move(chain)) {}

void ChainChecker::expect(const Anchor& anchor) {
  if (anchor.chain == chain_) anchors_.push_back(anchor);
}

void ChainChecker::report(ChainFault::Kind kind, std::string_view writer, Month month, std::uint64_t number,
                          const std::string& message) {
  if (faults_.size() >= faults_max) return;
  faults_.push_back({kind, std::string(writer), month, number,
                     name_of(writer, month) + ", record " + std::to_string(number) + ": " + message});
}

void ChainChecker::feed(const AuditRecord& record) {
  feed(ChainLink{record.writer, record.month, record.number, record.previous, record.hash,
                 chain_hash(record) == record.hash});
}

void ChainChecker::feed(const ChainLink& record) {
  ++records_;
  if (!record.whole)
    report(ChainFault::Kind::changed, record.writer, record.month, record.number,
           "its content does not fit its hash; somebody changed it");
  compare_with_anchors(record);
  const auto last =
      std::find_if(chains_.rbegin(), chains_.rend(), [&](const Chain& chain) { return chain.writer == record.writer; });
  if (last != chains_.rend() && record.month <= last->month) {
    follow(*last, record);
    return;
  }
  if (record.number != 1) {
    report(ChainFault::Kind::missing, record.writer, record.month, 1,
           "the month begins with record " + std::to_string(record.number) + "; those before it are gone");
  } else if (last != chains_.rend() && record.previous != last->head) {
    report(ChainFault::Kind::cut, last->writer, last->month, last->number + 1,
           "the next month does not go on from record " + std::to_string(last->number) +
               "; records were cut off at the end of this month, or its last one was replaced");
  }
  chains_.push_back({std::string(record.writer), record.month, record.number, record.hash});
}

// `record` is of the chain's month, or of one that lies before it.
void ChainChecker::follow(Chain& chain, const ChainLink& record) {
  if (record.month == chain.month && record.number > chain.number) {
    if (record.number > chain.number + 1) {
      report(ChainFault::Kind::missing, record.writer, record.month, chain.number + 1,
             record.number == chain.number + 2
                 ? "it is not there"
                 : "it and those up to " + std::to_string(record.number - 1) + " are not there");
    } else if (record.previous != chain.head) {
      report(ChainFault::Kind::changed, record.writer, record.month, chain.number,
             "record " + std::to_string(record.number) + " names another hash for it; one of the two was replaced");
    }
    chain.number = record.number;
    chain.head = record.hash;
    return;
  }
  // It comes late. Where it was said to be missing, it was moved instead.
  const auto said_missing = std::find_if(faults_.begin(), faults_.end(), [&](const ChainFault& fault) {
    return fault.kind == ChainFault::Kind::missing && fault.writer == record.writer && fault.month == record.month &&
           fault.number == record.number;
  });
  const std::string message = "it stands behind record " + std::to_string(chain.number) + " of " +
                              name_of(chain.writer, chain.month) + "; records were moved or written twice";
  if (said_missing == faults_.end()) {
    report(ChainFault::Kind::reordered, record.writer, record.month, record.number, message);
  } else {
    said_missing->kind = ChainFault::Kind::reordered;
    said_missing->message =
        name_of(record.writer, record.month) + ", record " + std::to_string(record.number) + ": " + message;
  }
}

void ChainChecker::compare_with_anchors(const ChainLink& record) {
  for (const Anchor& anchor : anchors_) {
    if (anchor.writer == record.writer && anchor.month == record.month && anchor.number == record.number &&
        anchor.head != record.hash)
      report(ChainFault::Kind::changed, record.writer, record.month, record.number,
             "the anchor states another hash; the chain was written anew from here or before");
  }
}

void ChainChecker::look_for_cut_tails() {
  for (const Anchor& anchor : anchors_) {
    const auto found = std::find_if(chains_.begin(), chains_.end(), [&](const Chain& chain) {
      return chain.writer == anchor.writer && chain.month == anchor.month;
    });
    if (found == chains_.end()) {
      report(ChainFault::Kind::cut, anchor.writer, anchor.month, 1,
             "an anchor states " + std::to_string(anchor.number) +
                 " records and the whole month is gone; unless retention removed it, somebody did");
    } else if (found->number < anchor.number) {
      report(
          ChainFault::Kind::cut, anchor.writer, anchor.month, found->number + 1,
          "it is not there, and an anchor states " + std::to_string(anchor.number) + " records; the end was cut off");
    }
  }
}

std::vector<ChainFault> ChainChecker::finish() {
  look_for_cut_tails();
  anchors_.clear();
  return std::move(faults_);
}

std::vector<Anchor> ChainChecker::heads() const {
  std::vector<Anchor> heads;
  for (const Chain& chain : chains_) heads.push_back({chain_, chain.writer, chain.month, chain.number, chain.head, {}});
  return heads;
}

}  // namespace chaveiro::directory
