// clients/redis/scan.h
//
// Scan: the keys of a database, or the members of one hash, set or sorted set, a page at a time, as a range. Of a cluster all masters
// are walked. Never KEYS: the server is not held up.
//
//   Scan keys(client, {.match = "dict:*"}, deadline);
//   for (const std::string& key : keys) …
//   TRY_VOID(keys.status());          // why the range ended
//
// Guarantees: what is there from the first page to the last is seen at least once; what comes or goes meanwhile may be; some things may be
//             seen twice (Redis's own promise).
#pragma once

#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "clients/redis/client.h"

namespace chaveiro::redis {

struct ScanOptions {
  std::string match = {};   // glob; empty: everything
  std::string type = {};    // "string", "hash", …: keys of this type only (not inside a key)
  std::size_t count = 100;  // how much the server looks at for one page; 0: its own default
  std::string command =
      "SCAN";  // or HSCAN, SSCAN, ZSCAN with `key`, which give names and values in turn (HSCAN, ZSCAN)
  std::string key = {};
};

class Scan {
 public:
  Scan(Client& client, ScanOptions options, Deadline deadline);

  // The next page, perhaps empty; nothing at the end. Errors: of the call; asking again goes on where it failed.
  Result<std::optional<Texts>> next_page();

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = std::string;
    using difference_type = std::ptrdiff_t;
    using pointer = const std::string*;
    using reference = const std::string&;
    Iterator() = default;
    const std::string& operator*() const { return scan_->page_[scan_->at_]; }
    Iterator& operator++() {
      scan_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return scan_->ended_; }

   private:
    friend class Scan;
    explicit Iterator(Scan* scan) : scan_(scan) {}
    Scan* scan_ = nullptr;
  };
  Iterator begin();
  std::default_sentinel_t end() const { return {}; }
  // Why the range ended: well, or with an error.
  const Result<void>& status() const { return status_; }

 private:
  void advance();
  void fill();

  Client& client_;
  const ScanOptions options_;
  const Deadline deadline_;
  std::vector<Endpoint> nodes_;
  std::size_t node_ = 0;
  std::string cursor_ = "0";
  bool begun_ = false;
  Texts page_;
  std::size_t at_ = 0;
  bool ended_ = false;
  Result<void> status_;
};

}  // namespace chaveiro::redis
