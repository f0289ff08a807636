// A cluster: the same calls, spread over the nodes; keys of many slots in one call; hash tags where keys belong together; a scan of all
// masters.
//
//   example_redis_cluster [URL]     default redis+cluster://127.0.0.1:7000
#include <cstdio>
#include <string>
#include <vector>

#include "clients/redis/commands.h"
#include "clients/redis/scan.h"

using namespace chaveiro;
using namespace chaveiro::redis;
using namespace std::chrono_literals;

static Result<void> show(Client& client) {
  const Deadline deadline = Deadline::in(5s);
  TRY_VOID(client.wait_ready(deadline));
  std::printf("%zu masters\n", client.masters().size());
  Commands redis(client);

  std::vector<std::string> names;
  Command mset("MSET");
  for (int i = 0; i < 100; ++i) {
    names.push_back("example:" + std::to_string(i));
    mset.add(names.back()).add(i);
  }
  // One command for each slot behind it: not atomic. What half-succeeded says maybe_applied.
  TRY_VOID(expect_ok(client.call(std::move(mset), deadline)));
  const std::vector<std::string_view> keys(names.begin(), names.end());
  TRY(const OptionalTexts values, redis.mget(keys, deadline));
  std::printf("the last of %zu is %s\n", values.size(), values.back().value_or("(gone)").c_str());

  // Keys with the same {tag} lie together: only those can share a transaction or a script.
  std::vector<Command> together;
  together.emplace_back("SET", "{example}:a", 1);
  together.emplace_back("SET", "{example}:b", 2);
  TRY_VOID(client.transaction(std::move(together), deadline));

  std::size_t seen = 0;
  Scan scan(client, {.match = "example:*"}, deadline);
  for ([[maybe_unused]] const std::string& key : scan) ++seen;
  TRY_VOID(scan.status());
  TRY_VOID(redis.del(keys, deadline));
  TRY_VOID(redis.del({"{example}:a", "{example}:b"}, deadline));
  std::printf("a scan saw %zu\n", seen);
  return seen >= 100 && values.back() == "99" ? Result<void>() : fail(Code::internal, "", "keys are missing");
}

int main(int argc, char** argv) {
  auto options = parse_url(argc > 1 ? argv[1] : "redis+cluster://127.0.0.1:7000");
  auto client = options ? Client::create(std::move(*options)) : Result<std::unique_ptr<Client>>(options.error());
  const Result<void> shown = client ? show(**client) : Result<void>(client.error());
  if (!shown) std::fprintf(stderr, "%s\n", shown.error().message.c_str());
  return shown ? 0 : 1;
}
