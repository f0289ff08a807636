#include "base/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <string>

namespace chaveiro {
namespace {

double cpu_seconds() {
  timespec spent{};
  if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) != 0) return 0;
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
}

struct Pages {
  double all = 0, resident = 0;
};
Pages pages() {
  Pages read;
  std::ifstream("/proc/self/statm") >> read.all >> read.resident;
  return read;
}
double page_bytes() { return static_cast<double>(::sysconf(_SC_PAGESIZE)); }

double open_files() {
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  double count = -1;  // the folder itself, while it is read
  while (const dirent* file = ::readdir(folder))
    if (file->d_name[0] != '.') ++count;
  ::closedir(folder);
  return count;
}

double open_files_max() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
}

// When the machine was started plus how long it ran when this process began.
double start_seconds() {
  std::ifstream process("/proc/self/stat");
  std::string text;
  std::getline(process, text);
  // The name of the program, in parentheses, may hold anything; the 20th field after it is the time of start in ticks.
  std::size_t at = text.rfind(')');
  for (int field = 0; field < 20 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  if (at == std::string::npos) return 0;
  const double ticks = std::strtod(text.c_str() + at, nullptr);
  std::ifstream machine("/proc/stat");
  for (std::string name; machine >> name;) {
    double booted = 0;
    if (name == "btime" && machine >> booted) return booted + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
    machine.ignore(1 << 20, '\n');
  }
  return 0;
}

}  // namespace

std::vector<Registry::Watch> watch_process(Registry& metrics) {
  std::vector<Registry::Watch> watches;
  watches.push_back(
      metrics.watch_counter("process_cpu_seconds_total", "Time that the processors worked for us.", {}, cpu_seconds));
  watches.push_back(metrics.watch_gauge("process_resident_memory_bytes", "Memory in use.", {},
                                        [] { return pages().resident * page_bytes(); }));
  watches.push_back(metrics.watch_gauge("process_virtual_memory_bytes", "Memory that was asked for.", {},
                                        [] { return pages().all * page_bytes(); }));
  watches.push_back(metrics.watch_gauge("process_open_fds", "Open files and sockets.", {}, open_files));
  watches.push_back(metrics.watch_gauge("process_max_fds", "Files and sockets that may be open.", {}, open_files_max));
  watches.push_back(metrics.watch_gauge("process_start_time_seconds", "When the process began, since 1970.", {},
                                        [began = start_seconds()] { return began; }));
  return watches;
}

}  // namespace chaveiro
