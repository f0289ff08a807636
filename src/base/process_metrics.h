// base/process_metrics.h
//
// What the system knows about this process, under the names that every Prometheus dashboard looks for: process_cpu_seconds_total,
// process_resident_memory_bytes, process_virtual_memory_bytes, process_open_fds, process_max_fds, process_start_time_seconds.
// Read when the metrics are shown; a value that cannot be read is 0.
//
// Threads: watch_process, any; the values are read by whoever shows the metrics.
// Source:  proc(5); Prometheus client library guidelines.
#pragma once

#include <vector>

#include "base/metrics.h"

namespace chaveiro {

// Shown until the watches go, which must be before the registry goes.
[[nodiscard]] std::vector<Registry::Watch> watch_process(Registry& metrics);

}  // namespace chaveiro
