// A stream with a consumer group: entries are written, worked and acknowledged; what a worker left lying is taken over by another.
//
//   example_redis_stream [URL]     default redis://127.0.0.1:6379
#include <cstdio>
#include <string>

#include "clients/redis/commands.h"

using namespace chaveiro;
using namespace chaveiro::redis;
using namespace std::chrono_literals;

static Result<void> show(Client& client) {
  Commands redis(client);
  const Deadline deadline = Deadline::in(5s);
  const std::string_view stream = "example:jobs";
  TRY_VOID(redis.del({stream}, deadline));
  TRY_VOID(redis.xgroup_create(stream, "workers", "0", deadline));
  for (int i = 0; i < 5; ++i) {
    TRY_VOID(redis.xadd(stream, {{"job", std::to_string(i)}}, {.length_max = 1000}, deadline));
  }

  // The first worker takes three, does one, and is never seen again.
  TRY(const auto taken, redis.xread_group(stream, {.group = "workers", .consumer = "first", .count = 3}, deadline));
  TRY_VOID(redis.xack(stream, "workers", {taken.front().id}, deadline));

  // The second waits for work on a connection of its own: BLOCK would hold up everybody on a shared one.
  std::size_t done = 1;
  {
    TRY(Borrowed own, client.borrow(deadline));
    TRY(const auto fresh, stream_entries(own.call(Command("XREADGROUP", "GROUP", "workers", "second", "COUNT", 10,
                                                          "BLOCK", 1000, "STREAMS", stream, ">"),
                                                  deadline)));
    for (const StreamEntry& entry : fresh) {
      std::printf("new: job %s\n", entry.fields.front().second.c_str());
      TRY_VOID(redis.xack(stream, "workers", {entry.id}, deadline));
      ++done;
    }
  }
  TRY(const auto left, redis.xautoclaim(stream, {.group = "workers", .consumer = "second", .idle_min = 0ms}, deadline));
  for (const StreamEntry& entry : left) {
    std::printf("taken over: job %s\n", entry.fields.front().second.c_str());
    TRY_VOID(redis.xack(stream, "workers", {entry.id}, deadline));
    ++done;
  }
  TRY_VOID(redis.del({stream}, deadline));
  return done == 5 ? Result<void>() : fail(Code::internal, "", "jobs are missing");
}

int main(int argc, char** argv) {
  auto options = parse_url(argc > 1 ? argv[1] : "redis://127.0.0.1:6379");
  auto client = options ? Client::create(std::move(*options)) : Result<std::unique_ptr<Client>>(options.error());
  const Result<void> shown = client ? show(**client) : Result<void>(client.error());
  if (!shown) std::fprintf(stderr, "%s\n", shown.error().message.c_str());
  return shown ? 0 : 1;
}
