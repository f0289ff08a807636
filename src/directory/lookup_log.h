// directory/lookup_log.h
//
// The record that every look-up leaves, as an interface; the file behind it is lookup_file.h.
//
// Guarantee: append() answers once the record would survive the death of this process (it lies in the page cache of the
// file), and within 50 ms it is on the disk. A power cut loses at most those 50 ms.
//
// Threads: any number at once; append() takes about a microsecond and never waits for the disk.
#pragma once

#include <cstdint>
#include <string>

#include "directory/change.h"

namespace chaveiro::directory {

enum class LookupOutcome : std::uint8_t { found = 1, not_found, refused, failed };

struct LookupRecord {
  UtcTime at{};
  Ispb ispb;
  std::string actor;
  std::string correlation_id;
  Digest
      key_hash{};  // HMAC of the key under the installation's key: the log can be asked about a key without holding it
  Digest payer_hash{};  // likewise of the payer's tax id; zeros where there was none
  std::string end_to_end_id;
  LookupOutcome outcome = LookupOutcome::found;
  EntryId entry;  // zeros where there was none
};

class LookupLog {
 public:
  virtual ~LookupLog() = default;
  // Errors: exhausted (the disk is full or too much waits for it; the look-up must be refused, unless the log was
  // configured to count the loss instead, in which case it answers with success and the counter tells).
  virtual Result<void> append(const LookupRecord& record) = 0;
};

}  // namespace chaveiro::directory
