#include "bench/lookup_platform.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "bench/keys.h"

namespace chaveiro::bench {
namespace {

namespace fs = std::filesystem;

std::string program_beside_us() {
  return (fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "chaveiro").string();
}

std::string new_folder(const std::string& parent) {
  std::string name =
      ((parent.empty() ? fs::temp_directory_path() : fs::path(parent)) / "chaveiro-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) stop("cannot make a folder like " + name);
  return name;
}

// Also where the benchmark ends in the middle of a run.
void remove_at_exit(const std::string& folder) {
  static std::string to_remove;
  if (to_remove.empty()) {
    std::atexit([] {
      std::error_code ignored;
      fs::remove_all(to_remove, ignored);
    });
  }
  to_remove = folder;
}

}  // namespace

Platform::Platform(const PlatformOptions& options)
    : program_(options.program.empty() ? program_beside_us() : options.program), folder_(new_folder(options.folder)) {
  remove_at_exit(folder_);
  restart();
  token_ = output_of(command({"token", "--subject", "bench"}, load_core));
  while (!token_.empty() && token_.back() == '\n') token_.pop_back();
}

Platform::~Platform() {
  server_.reset();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Platform::restart() {
  server_.reset();
  server_ = std::make_unique<Server>(command({"serve", "--empty"}, server_core));
}

Command Platform::command(std::vector<std::string> words, int core) const {
  words.insert(words.begin(), program_);
  return {.words = std::move(words),
          .environment = {{"CHAVEIRO_DATA", folder_},
                          {"GRPC_PORT", "0"},
                          {"HTTP_PORT", "0"},
                          {"METRICS_PORT", "0"},
                          {"LOG_FILE", folder_ + "/chaveiro.log"}},
          .core = core};
}

Seconds Platform::import_keys(std::size_t keys) {
  const std::string server = "127.0.0.1:" + std::to_string(server_->grpc_port());
  const Nanos begun = steady_nanos();
  const std::string said =
      output_of(command({"import", "-", "--json", "--server", server}, load_core), [&](std::FILE* in) {
        for (std::size_t number = 0; number < keys; ++number) std::fprintf(in, "%s\n", line_of(number).c_str());
      });
  const Seconds took = std::chrono::nanoseconds(steady_nanos() - begun);
  const bool whole = said.find("\"lines\":" + std::to_string(keys) + ",") != std::string::npos;
  if (!whole || said.find("\"already_there\":0,\"faulty\":0}") == std::string::npos)
    stop("not every key was imported: " + said);
  return took;
}

double Platform::file_mib() const {
  double bytes = 0;
  for (const auto& each : fs::recursive_directory_iterator(folder_))
    if (each.is_regular_file()) bytes += static_cast<double>(each.file_size());
  return bytes / (1 << 20);
}

std::string Platform::setting(const std::string& name) const {
  const std::string all = "\n" + output_of(command({"config"}, load_core));
  const std::size_t at = all.find("\n" + name + " ");
  if (at == std::string::npos) return "?";
  const std::size_t value = all.find_first_not_of(' ', at + 1 + name.size());
  return all.substr(value, all.find_first_of(" \n", value) - value);
}

}  // namespace chaveiro::bench
