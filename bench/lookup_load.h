// bench/lookup_load.h
//
// Load: keeps one server busy over connections that stay open from round to round, and times every answer.
//
//   top_rate:   as many requests in flight as there is room for, a new one for each answer: how much the server can do.
//   fixed_rate: a request falls due every 1/rate seconds whether or not answers come; its time counts from when it was due, also
//               where it had to wait for room: a server that stalls cannot hide it.
//
// Threads: one, which spins on its core.
// Errors:  a round with wrong answers ends the program and tells how many there were: a figure over them is worth nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "bench/lookup_connection.h"

namespace chaveiro::bench {

using Seconds = std::chrono::duration<double>;

struct Round {
  double rate = 0;           // answers a second
  double cpu_us = 0;         // of the server's processor time, an answer
  double core_used = 0;      // processor time of the server a second
  double from_memory = 0;    // share of the answers
  double message_bytes = 0;  // mean of the answers
  std::uint64_t answers = 0;
  Histogram::Snapshot times;
};

class Load : Answers {
 public:
  // `server`: the process whose processor time is counted.
  Load(std::vector<std::unique_ptr<Connection>> (*connect)(const Peer&, Requests&, Answers&), const Peer& peer,
       Requests& requests, int server);
  ~Load() override;

  Round top_rate(Seconds window);
  Round fixed_rate(double rate, Seconds window);

 private:
  void right(Nanos due, std::size_t bytes, Source source) override;
  void wrong(const std::string& what) override;

  void begin();
  Round end(Nanos begun, Seconds processor_before);
  void receive();
  void fill(Connection& connection, Nanos now);
  void drain();
  void check() const;

  Requests& requests_;
  const int server_;
  std::vector<std::unique_ptr<Connection>> connections_;
  const int poll_;

  std::unique_ptr<Histogram> times_;
  std::uint64_t answers_ = 0, from_memory_ = 0, bytes_ = 0, wrong_ = 0;
  std::string first_wrong_;
};

// 4 connections of 16 streams; 32 connections of one request.
std::vector<std::unique_ptr<Connection>> connect_grpc_64(const Peer& peer, Requests& requests, Answers& answers);
std::vector<std::unique_ptr<Connection>> connect_rest_32(const Peer& peer, Requests& requests, Answers& answers);

}  // namespace chaveiro::bench
