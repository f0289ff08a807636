// directory/chronicle.h
//
// What every store writes down about a commit, whatever it is kept in: the writes of a Change as chained audit records,
// and what its RequestId was used for. A store keeps the Head beside the records, in the same transaction.
//
// The month of a chain never goes back: a commit whose clock lies before the head's month is recorded in the head's.
//
// Threads: plain values; a Chronicle belongs to the one thread that writes.
// Time:    about 3 µs a record of 500 bytes, most of it sealing and hashing.
#pragma once

#include "directory/audit.h"
#include "directory/store.h"

namespace chaveiro::directory {

inline constexpr std::size_t writes_max = 8;

// Errors: internal, where the change is none (no writes, too many, a `before` of another thing than `after`).
Result<void> check_shape(const Change& change);

// Gives every `after` the version that it has once it is stored.
void stamp(Change& change, std::uint64_t sequence);

std::string_view resource_type_of(const Write& write);  // account entry claim
Uuid resource_of(const Write& write);
// The person concerned: the holder, the owner, the one who claims.
std::string_view tax_id_of(const Write& write);

// What `change.request` (which is there) was used for: the entry that the change makes, else the first thing it writes.
StoredRequest stored_request(const Change& change, std::uint64_t sequence);

// Where an audit record stands in a list for people: by time, then commit, then chain.
Position audit_position(const AuditRecord& record);
bool lets_through(const AuditFilter& filter, const AuditRecord& record);

// What the note of a purge says.
std::string purge_text(UtcTime before, std::uint64_t rows);

class Chronicle {
 public:
  struct Head {
    Month month = 0;  // 0: nothing was recorded yet
    std::uint64_t number = 0;
    Digest hash{};
    bool operator==(const Head&) const = default;
  };

  Chronicle(std::string writer, Head head) : writer_(std::move(writer)), head_(head) {}

  // The next record of the chain. `write` is stamped; `person` and `key` are those of tax_id_of(write).
  AuditRecord record(const Change& change, const Write& write, std::uint64_t sequence, const Digest& person,
                     const SealKey& key);
  AuditRecord record(const Note& note, std::uint64_t sequence, const Digest& person);

  const Head& head() const { return head_; }

 private:
  void chain(AuditRecord& record);

  std::string writer_;
  Head head_;
};

}  // namespace chaveiro::directory
