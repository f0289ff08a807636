#include "base/process_metrics.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <string>

namespace chaveiro {
namespace {

double shown(const Registry& metrics, const std::string& name) {
  const std::string text = metrics.expose();
  const std::size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
}

TEST(ProcessMetrics, tell_what_the_system_tells_while_they_are_watched) {
  Registry metrics;
  {
    const auto watches = watch_process(metrics);
    const double now = static_cast<double>(std::time(nullptr));
    EXPECT_LE(shown(metrics, "process_start_time_seconds"), now + 1);
    EXPECT_GE(shown(metrics, "process_start_time_seconds"), now - 3600);
    EXPECT_GT(shown(metrics, "process_cpu_seconds_total"), 0);
    EXPECT_GT(shown(metrics, "process_resident_memory_bytes"), 100'000);
    EXPECT_GT(shown(metrics, "process_virtual_memory_bytes"), shown(metrics, "process_resident_memory_bytes"));
    EXPECT_GT(shown(metrics, "process_max_fds"), shown(metrics, "process_open_fds"));
    const double before = shown(metrics, "process_open_fds");
    const int file = ::dup(0);
    EXPECT_EQ(shown(metrics, "process_open_fds"), before + 1);
    ::close(file);
  }
  EXPECT_EQ(shown(metrics, "process_open_fds"), -1);
}

}  // namespace
}  // namespace chaveiro
