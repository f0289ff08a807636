// bench/pulsar_perf.h
//
// A real broker for the time of a benchmark, and `pulsar-perf` of the same distribution beside it.
//
// Threads: one. Faults end the process: it is a benchmark.
#pragma once

#include <string>

namespace chaveiro::bench {

struct Rate {
  double messages_per_s = 0;
  double cpu_us = 0;  // of the client, a message
};

class PerfBroker {
 public:
  PerfBroker();
  ~PerfBroker();
  PerfBroker(const PerfBroker&) = delete;
  PerfBroker& operator=(const PerfBroker&) = delete;
  const std::string& url() const { return url_; }
  const std::string& admin_url() const { return admin_url_; }

  // A topic whose messages stay, though nobody has subscribed.
  void keep(const std::string& topic) const;
  // Runs it on the topic for twelve seconds, of which the last four count. With a subscription what that was given counts, else what
  // the topic took.
  Rate perf(const std::string& arguments, const std::string& topic, const std::string& subscription = {}) const;

 private:
  double counted(const std::string& topic, const std::string& subscription) const;

  std::string folder_, url_, admin_url_;
};

}  // namespace chaveiro::bench
