// app/figures.h
//
// What the directory holds, as metrics: dict_entries{key_type,status}, dict_claims{status}, dict_accounts. Counted by a
// worker, since counting is a walk over the store.
//
// Threads: one caller at a time.
// Errors:  those of Store::statistics.
#pragma once

#include <vector>

#include "base/metrics.h"
#include "directory/store.h"

namespace chaveiro::app {

class Figures {
 public:
  Figures(directory::Store& store, Registry& metrics, std::vector<directory::Ispb> served)
      : store_(store), metrics_(metrics), served_(std::move(served)) {}
  Result<void> refresh(Deadline deadline);

 private:
  directory::Store& store_;
  Registry& metrics_;
  std::vector<directory::Ispb> served_;
};

}  // namespace chaveiro::app
