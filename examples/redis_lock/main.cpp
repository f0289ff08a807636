// A lock on Redis: one of two programs does the nightly job, and the store refuses the one that only thought it still held the lock. A server
// in this process stands in for Redis: give a URL to use a real one.
#include <cstdio>

#include "clients/redis/double.h"
#include "clients/redis/leases.h"

using namespace std::chrono_literals;
using namespace chaveiro;
using namespace chaveiro::redis;

int main(int argc, char** argv) {
  ManualClock clock;
  const auto twin = Double::start({}, clock).value();
  teach_lease_scripts(*twin);
  const auto client = Client::create(parse_url(argc > 1 ? argv[1] : twin->url()).value()).value();
  if (!client->wait_ready(Deadline::in(5s))) return std::printf("no Redis there\n"), 1;

  RedisLeases locks({}, *client, clock);
  const auto mine = locks.take("nightly", 10s, Deadline::in(1s)).value();
  std::printf("we hold it, number %llu\n", static_cast<unsigned long long>(mine->fence()));
  const auto other = locks.take("nightly", 10s, Deadline::in(-1us));
  std::printf("another: %s\n", other ? "holds it too" : other.error().reason.c_str());

  if (argc > 1) return mine->release(Deadline::in(1s)) && !other ? 0 : 1;
  clock.advance(11s);  // our process was paused for too long
  const auto theirs = locks.take("nightly", 10s, Deadline::in(1s)).value();
  const auto renewed = mine->renew(Deadline::in(1s));
  std::printf("ours now: %s; the other has number %llu\n", renewed ? "held" : renewed.error().reason.c_str(),
              static_cast<unsigned long long>(theirs->fence()));
  // The store keeps the greatest number that it has seen, and refuses ours.
  return !other && !renewed && theirs->fence() > mine->fence() ? 0 : 1;
}
