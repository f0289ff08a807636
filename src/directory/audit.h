// directory/audit.h
//
// The audit trail of changes: one record per aggregate that a commit wrote, stored in the commit's own transaction and
// chained. (Look-ups have a log of their own, lookup_log.h, with the same chain.)
//
// There is one chain per writer and month: each record holds a running number and the SHA-256 of the record before it;
// a month starts with the head of the last. Heads can be signed with the installation's key (HMAC) and kept elsewhere
// as anchors: only an anchor shows that records were cut off at the end. What stood before and after is sealed
// (AES-256-GCM) under a key of the person concerned: destroying that key erases the person and leaves the chain whole.
//
// Threads: plain values and pure functions, except where a class says otherwise.
// Source:  docs/decisions/0019-audit-chain.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "directory/change.h"

namespace chaveiro::directory {

// yyyymm, UTC, as in 202611.
using Month = std::uint32_t;
Month month_of(UtcTime time);

struct AuditRecord {
  std::string writer;  // the process that wrote it: chains of two writers never mix
  Month month = 0;
  std::uint64_t number = 0;    // 1, 2, 3 … within writer and month
  std::uint64_t sequence = 0;  // of the commit
  UtcTime at{};
  Ispb ispb;
  std::string actor;
  std::string correlation_id;
  std::string operation;
  std::string resource_type;  // account entry claim
  Uuid resource;
  Digest person{};     // whose seal key it is (person_of); zeros: about nobody, and then `after` is plain text
  std::string before;  // sealed text of the aggregate (record_text.h); empty: there was none
  std::string after;   // sealed
  Digest previous{};   // hash of the record before
  Digest hash{};       // of all the above, see chain_hash
};

// The hash that record must carry: SHA-256 over every field but `hash`, each with its length in front.
Digest chain_hash(const AuditRecord& record);

// One key per person, made at random when the person is first written about.
using SealKey = std::array<std::uint8_t, 32>;
SealKey new_seal_key();
std::string seal(const SealKey& key, std::string_view plain, std::string_view associated);
// Errors: corrupt (wrong key, flipped bit, cut).
Result<std::string> unseal(const SealKey& key, std::string_view sealed, std::string_view associated);

// What `before` and `after` of a record are sealed together with, so that neither can be moved to another record.
enum class AuditSide : std::uint8_t { before = 1, after };
std::string seal_context(const AuditRecord& record, AuditSide side);

// Whose records they are, without the tax id: HMAC-SHA-256 of "person:" and the tax id under the installation's key.
Digest person_of(const Secret& installation_key, std::string_view tax_id);

struct AuditFilter {
  Ispb ispb;
  std::optional<Uuid> resource;
  std::optional<std::string> actor;
  std::optional<std::string> operation;
  std::optional<UtcTime> from;   // inclusive
  std::optional<UtcTime> until;  // exclusive
};

// One thing that is wrong in a chain.
struct ChainFault {
  enum class Kind : std::uint8_t { changed, missing, reordered, cut, torn } kind;
  std::string writer;
  Month month = 0;
  std::uint64_t number = 0;  // the first record that is not as it must be
  std::string message;       // for people: says which record, what is wrong and what it may mean
};
std::string_view to_string(ChainFault::Kind kind);

// A signed statement "this chain was at least this long and ended thus", to be kept outside the machine.
struct Anchor {
  std::string chain;  // "changes" or "lookups"
  std::string writer;
  Month month = 0;
  std::uint64_t number = 0;
  Digest head{};
  Digest mac{};
};
Anchor sign_anchor(const Secret& installation_key, Anchor anchor);
std::string to_json_line(const Anchor& anchor);
// Errors: invalid (not an anchor line), corrupt (the MAC does not fit).
Result<Anchor> read_anchor(const Secret& installation_key, std::string_view line);

// What the walk needs to know of a record, whatever kind it is.
struct ChainLink {
  std::string_view writer;
  Month month = 0;
  std::uint64_t number = 0;
  const Digest& previous;
  const Digest& hash;
  bool whole = true;  // its content fits its hash
};

// Checks records one after another; feed it every record of a chain in stored order, then call finish().
class ChainChecker {
 public:
  explicit ChainChecker(std::string chain);
  // The first month of a writer may start with any head (older months were purged); each later one must start with the
  // head of the month before it.
  void feed(const AuditRecord& record);
  void feed(const ChainLink& link);
  // Something that only whoever reads the file can see (torn).
  void report(ChainFault::Kind kind, std::string_view writer, Month month, std::uint64_t number,
              const std::string& message);
  void expect(const Anchor& anchor);  // before the first feed()
  // Faults found, in order, at most 1,000; empty: the chain holds. `records` counts what was read.
  std::vector<ChainFault> finish();
  std::uint64_t records() const { return records_; }
  // Heads of every (writer, month) seen, to be signed as anchors.
  std::vector<Anchor> heads() const;

 private:
  struct Chain {
    std::string writer;
    Month month = 0;
    std::uint64_t number = 0;
    Digest head{};
  };
  void follow(Chain& chain, const ChainLink& link);
  void compare_with_anchors(const ChainLink& link);
  void look_for_cut_tails();

  std::string chain_;
  std::vector<Chain> chains_;  // in the order in which they were read
  std::vector<Anchor> anchors_;
  std::vector<ChainFault> faults_;
  std::uint64_t records_ = 0;
};

}  // namespace chaveiro::directory
