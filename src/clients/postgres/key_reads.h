// clients/postgres/key_reads.h
//
// Live entries by key, for any number of callers: while a few statements are under way what comes in is gathered, and goes as one statement
// with `= ANY`. A lone caller waits for nobody.
//
// Threads: any; completions run on the pipeline's thread. It must outlive the pipeline, whose end answers what was under way.
// Errors:  those of Pipeline.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "clients/postgres/pipeline.h"
#include "directory/entry.h"

namespace chaveiro::clients::postgres {

struct KeyReadOptions {
  std::size_t statements_max = 2;  // under way at once, at least 1
  std::size_t keys_max = 128;      // in one statement, at least 1
  bool joined = true;              // false: one statement for each key (to compare)
};

class KeyReads {
 public:
  // The entry is read on the thread that wants it, hence rows and where it stands in them.
  struct Found {
    Rows rows;
    std::optional<std::size_t> row;  // none: there is no such entry
    Result<std::optional<directory::Entry>> entry() const;
  };
  using Done = std::function<void(Result<Found>)>;

  KeyReads(Pipeline& pipeline, std::string ispbs, KeyReadOptions options = {});

  void find(const directory::Key& key, Deadline deadline, Done done);
  Result<std::optional<directory::Entry>> find(const directory::Key& key, Deadline deadline);

 private:
  struct Wanted {
    directory::Key key;
    Deadline deadline;
    Done done;
  };
  struct State {
    std::vector<Wanted> waiting;
    std::size_t under_way = 0;
  };
  using Together = std::shared_ptr<std::vector<Wanted>>;
  static Together next(State& state, std::size_t keys_max);
  void send(const Together& together);
  void answer(std::vector<Wanted>& together, Result<Rows> rows);

  Pipeline& pipeline_;
  const std::string ispbs_;
  const KeyReadOptions options_;
  Guarded<State> state_;
};

}  // namespace chaveiro::clients::postgres
