// Set, get, count, expire; what an error looks like; a callback; a script.
//
//   example_redis_basic [URL]     default redis://127.0.0.1:6379
#include <cstdio>
#include <future>

#include "clients/redis/commands.h"

using namespace chaveiro;
using namespace chaveiro::redis;
using namespace std::chrono_literals;

static Result<void> show(Client& client) {
  Commands redis(client);
  const Deadline deadline = Deadline::in(2s);

  TRY_VOID(redis.set_ex("example:greeting", "bom dia", 60s, deadline));
  TRY(const std::optional<std::string> greeting, redis.get("example:greeting", deadline));
  TRY(const std::int64_t visits, redis.incr("example:visits", deadline));
  std::printf("%s, visit %lld\n", greeting.value_or("(gone)").c_str(), static_cast<long long>(visits));

  // A key that is not there is no error.
  TRY(const std::optional<std::string> nothing, redis.get("example:none", deadline));
  std::printf("there is %s\n", nothing ? "something" : "nothing");

  // An error says what the caller can do about it.
  const auto wrong = redis.hget("example:greeting", "field", deadline);
  std::printf("%.*s: %s\n", static_cast<int>(to_string(wrong.error().code).size()),
              to_string(wrong.error().code).data(), wrong.error().message.c_str());

  // Without waiting: the callback runs on an I/O thread.
  std::promise<std::size_t> length;
  client.send(Command("STRLEN", "example:greeting"), deadline, [&](Result<Value>&& reply) {
    length.set_value(static_cast<std::size_t>(as_integer(std::move(reply)).value_or(0)));
  });
  std::printf("%zu bytes\n", length.get_future().get());

  const Script swap("local old = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], ARGV[1]) return old");
  const std::string_view key = "example:greeting", text = "boa noite";
  TRY(const std::string old, as_text(client.eval(swap, {&key, 1}, {&text, 1}, deadline)));
  std::printf("before it said %s\n", old.c_str());
  return redis.del({"example:greeting", "example:visits"}, deadline) ? Result<void>()
                                                                     : fail(Code::internal, "", "not deleted");
}

int main(int argc, char** argv) {
  auto options = parse_url(argc > 1 ? argv[1] : "redis://127.0.0.1:6379");
  auto client = options ? Client::create(std::move(*options)) : Result<std::unique_ptr<Client>>(options.error());
  const Result<void> shown = client ? show(**client) : Result<void>(client.error());
  if (!shown) std::fprintf(stderr, "%s\n", shown.error().message.c_str());
  return shown ? 0 : 1;
}
