#include "tests/support/postgres_server.h"

#include <libpq-fe.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/redis_server.h"

namespace chaveiro::tests {
namespace {

namespace fs = std::filesystem;

std::string programs() {
  static const std::string found = [] {
    std::error_code ignored;
    for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
      if (::access((version.path() / "bin/initdb").c_str(), X_OK) == 0) return (version.path() / "bin").string();
    }
    throw std::runtime_error("there is no PostgreSQL server on this machine: ./dev setup test");
  }();
  return found;
}

// The server refuses to run as root. The kernel's promise to end it with us is lost when its user changes, hence --pdeathsig.
std::vector<std::string> as_nobody(std::vector<std::string> words) {
  if (::geteuid() != 0) return words;
  const std::vector<std::string> before{"setpriv",        "--reuid=nobody", "--regid=nogroup",
                                        "--clear-groups", "--pdeathsig",    "KILL"};
  words.insert(words.begin(), before.begin(), before.end());
  return words;
}

ChildProcess start_child(const std::vector<std::string>& words, const std::string& folder, const std::string& log) {
  return ChildProcess({words.front(), {words.begin() + 1, words.end()}, folder, log});
}

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

// Its state and its parent, by the kernel; a process that is gone, or only waits to be fetched by its parent, has no parent here.
pid_t parent_of(const std::string& process) {
  const std::string stat = text_of("/proc/" + process + "/stat");
  const std::size_t end = stat.rfind(')');
  if (end == std::string::npos || end + 4 > stat.size() || stat[end + 2] == 'Z') return 0;
  return std::atoi(stat.c_str() + end + 4);
}

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};

}  // namespace

PostgresServer::PostgresServer(PostgresServerOptions options) : options_(std::move(options)) {
  const std::string below = options_.data_on.empty() ? fs::temp_directory_path().string() : options_.data_on;
  std::string pattern = below + "/postgres_test_XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder in " + below);
  folder_ = pattern;
  if (::geteuid() == 0) {
    const passwd* nobody = ::getpwnam("nobody");
    if (nobody == nullptr || ::chown(folder_.c_str(), nobody->pw_uid, nobody->pw_gid) != 0)
      throw std::runtime_error("cannot give " + folder_ + " to nobody");
  }
  fs::permissions(folder_, fs::perms(0755));
  make_files();
  for (int tries = 0;; ++tries) {
    port_ = free_port();
    try {
      start();
      break;
    } catch (const std::runtime_error&) {
      if (tries == 4) throw;  // somebody else may have taken the port meanwhile
    }
  }
  if (!options_.copy_of.empty()) return;
  std::string statement;
  std::istringstream script(text_of(CHAVEIRO_SOURCE "/tools/servers/postgres.sql"));
  for (std::string line; std::getline(script, line);) {
    if (!line.empty() && !line.starts_with("--")) sql(line, "postgres");
  }
}

PostgresServer::~PostgresServer() {
  kill();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void PostgresServer::make_files() {
  const std::string data = folder_ + "/data";
  if (options_.copy_of.empty()) {
    run("initdb", {"-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"});
  } else {
    run("pg_basebackup", {"-D", data, "-d", options_.copy_of, "-R", "-X", "stream", "-c", "fast", "--no-sync"});
  }
  if (!options_.hba.empty()) std::ofstream(data + "/pg_hba.conf") << options_.hba;
}

std::string PostgresServer::run(const std::string& program, const std::vector<std::string>& arguments) const {
  std::vector<std::string> words{programs() + "/" + program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const std::string log = folder_ + "/" + program + ".log";
  ChildProcess child = start_child(as_nobody(words), folder_, log);
  wait_until(program + " has ended", [&] { return !child.running(); }, std::chrono::seconds{60});
  const std::string data_version = folder_ + "/data/PG_VERSION";
  if (!fs::exists(data_version)) throw std::runtime_error(program + " failed: " + text_of(log));
  return text_of(log);
}

void PostgresServer::start() {
  std::vector<std::string> words{
      programs() + "/postgres", "-D", folder_ + "/data", "-p", std::to_string(port_), "-k", folder_};
  std::vector<std::string> settings{"listen_addresses=127.0.0.1", "shared_buffers=64MB", "max_connections=150",
                                    "logging_collector=off", "autovacuum_naptime=5s"};
  settings.insert(settings.end(), options_.settings.begin(), options_.settings.end());
  for (const std::string& setting : settings) words.insert(words.end(), {"-c", setting});
  std::error_code ignored;
  fs::remove(folder_ + "/data/postmaster.pid", ignored);
  process_ = start_child(as_nobody(words), folder_, folder_ + "/log");
  wait_until(
      "PostgreSQL answers",
      [&] {
        if (!process_.running()) return true;
        return sql("SELECT 'up'", "postgres") == "up";
      },
      std::chrono::seconds{30});
  if (!process_.running()) throw std::runtime_error("PostgreSQL ended at once: " + text_of(folder_ + "/log"));
}

std::string PostgresServer::url(const std::string& role, const std::string& database) const {
  const bool ours = role == "runtime" || role == "import" || role == "maintenance";
  return "postgres://" + (ours ? "chaveiro_" + role : role) + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

std::string PostgresServer::sql(const std::string& text, const std::string& database) const {
  // By the socket in its folder: also where TLS is asked for on TCP.
  const std::string info =
      "host=" + folder_ + " port=" + std::to_string(port_) + " user=postgres connect_timeout=10 dbname=" + database;
  const std::unique_ptr<PGconn, Finish> connection(PQconnectdb(info.c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(connection.get()));
  const std::unique_ptr<PGresult, Finish> result(PQexec(connection.get(), text.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
    throw std::runtime_error(text + ": " + PQresultErrorMessage(result.get()));
  return PQntuples(result.get()) > 0 && PQnfields(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

void PostgresServer::copy_database(const std::string& from, const std::string& to) const {
  sql("CREATE DATABASE " + to + " TEMPLATE " + from + " OWNER chaveiro_maintenance", "postgres");
}

// The server's process and those that it made, which have it as their parent.
std::vector<pid_t> PostgresServer::processes() const {
  std::vector<pid_t> found;
  if (process_.pid() == 0) return found;
  found.push_back(process_.pid());
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) continue;
    if (parent_of(name) == process_.pid()) found.push_back(std::atoi(name.c_str()));
  }
  return found;
}

void PostgresServer::kill() {
  const std::vector<pid_t> all = processes();
  for (const pid_t one : all) ::kill(one, SIGKILL);
  process_.kill();
  // Its children are not ours to wait for; a server that starts again refuses while one of them holds its memory.
  for (const pid_t one : all) {
    if (one == all.front()) continue;
    wait_until("a process of the server is gone", [&] { return parent_of(std::to_string(one)) == 0; });
  }
}

void PostgresServer::freeze() const {
  for (const pid_t one : processes()) ::kill(one, SIGSTOP);
}
void PostgresServer::thaw() const {
  for (const pid_t one : processes()) ::kill(one, SIGCONT);
}
void PostgresServer::promote() const { sql("SELECT pg_promote(true, 30)", "postgres"); }

}  // namespace chaveiro::tests
