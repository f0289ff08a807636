// Client tracking: a value of Redis is read from memory until somebody changes it. A server in this process stands in for Redis.
#include <cstdio>
#include <thread>

#include "clients/redis/double.h"
#include "clients/redis/tracked.h"

using namespace std::chrono_literals;
using namespace chaveiro;
using namespace chaveiro::redis;

int main() {
  const SystemClock clock;
  const auto twin = Double::start({}, clock).value();
  twin->command({"SET", "price:1", "10.00", "EX", "60"});
  const auto client = Client::create(parse_url(twin->url()).value()).value();
  if (!client->wait_ready(Deadline::in(5s))) return 1;
  Tracked prices({.prefixes = {"price:"}}, *client, clock, {});
  while (!prices.trusting()) std::this_thread::yield();

  const auto read = [&] { return prices.get("price:1", Deadline::in(1s)).value().value_or("none"); };
  for (int i = 0; i < 1'000; ++i) (void)read();
  const auto asked = twin->calls("GET");
  std::printf("1,000 reads of %s asked the server %llu times\n", read().c_str(),
              static_cast<unsigned long long>(asked));
  twin->command({"SET", "price:1", "12.00", "EX", "60"});
  while (read() != "12.00") std::this_thread::yield();  // the message takes a moment
  std::printf("now %s\n", read().c_str());
  return asked < 10 ? 0 : 1;
}
