#include "bench/postgres_program.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>

#include "bench/keys.h"
#include "tests/support/child_process.h"
#include "tests/support/redis_server.h"

namespace chaveiro::bench {
namespace {

namespace fs = std::filesystem;

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

struct Folder {
  std::string path = [] {
    std::string pattern = (fs::temp_directory_path() / "chaveiro-bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder");
    return pattern;
  }();
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

}  // namespace

double import_by_program(tests::PostgresServer& server, std::uint64_t lines) {
  const Folder folder;
  const std::string program = (fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "chaveiro").string();
  const std::string file = folder.path + "/entries.ndjson", data = folder.path + "/data", log = folder.path + "/log";
  {
    std::ofstream out(file);
    for (std::uint64_t n = 0; n < lines; ++n) out << line_of(n) << '\n';
  }
  const std::vector<std::string> environment{"CHAVEIRO_DATA=" + data,
                                             "HTTP_PORT=0",
                                             "GRPC_PORT=0",
                                             "METRICS_ENABLED=false",
                                             "DATABASE_URL=" + server.url(),
                                             "DATABASE_MAINTENANCE_URL=" + server.url("maintenance")};
  std::vector<std::string> serve = environment;
  serve.insert(serve.end(), {program, "serve", "--empty"});
  tests::ChildProcess serving({"/usr/bin/env", serve, folder.path, log});
  std::smatch port;
  std::string told;
  tests::wait_until(
      "the program serves: " + program,
      [&] {
        told = text_of(log);
        return told.find("stop with") != std::string::npos &&
               std::regex_search(told, port, std::regex("gRPC +([0-9.:]+)"));
      },
      std::chrono::seconds{30});
  std::string command = "/usr/bin/env CHAVEIRO_SERVER=" + port[1].str();
  for (const std::string& setting : environment) command += " '" + setting + "'";
  command += " " + program + " import " + file + " >" + folder.path + "/import.log 2>&1";
  const auto begin = std::chrono::steady_clock::now();
  const int exit = std::system(command.c_str());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (exit != 0) throw std::runtime_error("the import failed: " + text_of(folder.path + "/import.log"));
  if (const std::string there = server.sql("SELECT count(*) FROM entries"); there != std::to_string(lines))
    throw std::runtime_error("the database holds " + there + " entries after the import");
  return static_cast<double>(lines) / seconds;
}

}  // namespace chaveiro::bench
