// bench/lookup_platform.h
//
// The real program in a folder of its own: started, fed with generated keys through its own `import`, asked for a token through
// its own command line. The folder is removed at the end.
//
// Threads: one.
// Errors:  end the program.
#pragma once

#include <memory>
#include <string>

#include "bench/lookup_connection.h"
#include "bench/lookup_load.h"
#include "bench/lookup_server.h"

namespace chaveiro::bench {

struct PlatformOptions {
  std::string program;  // file of chaveiro; "": beside this benchmark
  std::string folder;   // where the temporary folder is made; "": the system's
};

class Platform {
 public:
  explicit Platform(const PlatformOptions& options);
  ~Platform();
  Platform(const Platform&) = delete;
  Platform& operator=(const Platform&) = delete;

  Seconds import_keys(std::size_t keys);
  void restart();
  const Server& server() const { return *server_; }
  Peer grpc() const { return {server_->grpc_port(), token_}; }
  Peer rest() const { return {server_->rest_port(), token_}; }
  const std::string& folder() const { return folder_; }
  double file_mib() const;  // of everything in the folder
  std::string setting(const std::string& name) const;

 private:
  Command command(std::vector<std::string> words, int core) const;

  std::string program_, folder_, token_;
  std::unique_ptr<Server> server_;
};

}  // namespace chaveiro::bench
