// clients/redis/server_watch.h
//
// Hears when another server answers than before (a replica took over, or the server started anew), and lets what may be lost be said again
// once for each such change.
//
// Until it hears of a change, which takes as long as a connection, nobody knows.
//
// Threads: any number at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/guarded.h"
#include "clients/redis/client.h"

namespace chaveiro::redis {

class ServerWatch {
 public:
  // `key`: in a cluster, the node of this key is watched.
  ServerWatch(Client& client, std::string name, std::string key);
  ~ServerWatch();

  // Another server answers, and nothing has been said again since.
  bool changed() const;
  bool watching() const;  // has a server been heard of?
  // Where the server has changed, whoever comes first runs `say_again`; the others wait until it is done. What failed is run again by
  // the next who comes. True: it was run.
  // Errors: deadline (another is still at it); those of `say_again`.
  Result<bool> repair(Deadline deadline, const std::function<Result<void>()>& say_again);

 private:
  struct Server {
    std::string run_id;          // of the one that answered last; "": none yet
    std::uint64_t changes = 0;   // of the server
    std::uint64_t answered = 0;  // changes after which everything was said again
    bool saying = false;
  };
  void heard_from(const std::string& info);

  Guarded<Server> server_;
  std::unique_ptr<Dedicated> watch_;
};

}  // namespace chaveiro::redis
