// clients/postgres/batch.h
//
// Changes of a group as few statements: writes of one kind go as one statement with a column of values each (unnest), in waves: within a
// wave no change touches what another one touches, so that their order does not matter. The marks of a wave (events/inbox.h) go before
// its writes.
//
// Threads: belong to one thread.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "clients/postgres/rows.h"
#include "directory/change.h"

namespace chaveiro::clients::postgres {

// One change on its way through a group.
struct Item {
  directory::Change* change;
  Result<directory::Committed>* answer;
  std::uint64_t sequence;
  std::size_t written = 0;  // writes that found what they replace
  bool marked = false;      // its event was not applied before
};

class Batch {
 public:
  const std::string& sql() const;
  void add_to(Params& params) const { columns_.add_to(params); }
  // Tells the items what of theirs was written, by the answer of the server.
  void count(const Rows& rows);

 private:
  friend std::vector<Batch> batches_of(std::span<Item> items);
  enum class Kind : std::uint8_t { account, entry, claim, mark_version, mark_id };  // the first as in directory::Write
  Batch(Kind kind, bool update);
  void take(const directory::Write& write, Item* item);
  void take(const events::Mark& mark, Item* item);

  Kind kind_;
  bool update_;
  Columns columns_;
  std::vector<std::pair<std::string, Item*>> items_;  // what names the row, as its bytes
};

std::vector<Batch> batches_of(std::span<Item> items);

}  // namespace chaveiro::clients::postgres
