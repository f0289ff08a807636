// app/database_copy.h
//
// `chaveiro db copy sqlite:FILE postgres://…`: everything of a SQLite database into an empty PostgreSQL schema, rows, versions, audit
// chains, RequestIds and keys as they are, by COPY as the role that owns the tables. No server of ours may run on either meanwhile.
//
// How far it has come is stored with every piece, so that the same command goes on after a break. At the end the rows of every table are
// counted on both sides, every audit chain is walked in the copy, and its heads are compared with those of the source.
//
// Threads: one caller.
// Errors:  exists (the target holds rows of something else), conflict "EventsWait" (dead letters, or events that wait for others: settle
//          them where they are), corrupt "CopyDiffers" (naming the table or chain), unavailable
//          "DatabaseInUse", and those of both clients.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/secret.h"

namespace chaveiro::app {

struct CopyOptions {
  std::string source;                 // path of the SQLite file
  std::string consumers;              // path of what consumers remember; nothing may wait there; "": there is none
  Secret target;                      // URL of the role that owns the tables
  std::size_t rows_at_once = 10'000;  // of one piece; at least 1
  // Called after each piece; an error ends the copy there.
  std::function<Result<void>(const std::string& table, std::uint64_t rows)> progress;
};

struct CopyReport {
  std::uint64_t rows = 0;    // copied by this run
  std::uint64_t audit = 0;   // records walked in the copy
  std::uint64_t chains = 0;  // whose heads are the same
};
Result<CopyReport> copy_database(const CopyOptions& options, Deadline deadline);

}  // namespace chaveiro::app
