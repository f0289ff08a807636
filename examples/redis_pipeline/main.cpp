// Many commands in one go: an explicit pipeline, a transaction, and a transaction that notices what others do.
//
//   example_redis_pipeline [URL]     default redis://127.0.0.1:6379
#include <cstdio>

#include "clients/redis/client.h"

using namespace chaveiro;
using namespace chaveiro::redis;
using namespace std::chrono_literals;

// Takes from one account and gives to the other, if nobody touched the first meanwhile.
static Result<bool> transfer(Client& client, std::int64_t amount, Deadline deadline) {
  TRY(Borrowed own, client.borrow(deadline, "{example}:from"));
  TRY_VOID(own.call(Command("WATCH", "{example}:from"), deadline));
  TRY(const std::int64_t balance, as_integer(own.call(Command("GET", "{example}:from"), deadline)));
  if (balance < amount) return fail(Code::conflict, "TooLittle", "the account holds too little");
  std::vector<Command> both;
  both.emplace_back("DECRBY", "{example}:from", amount);
  both.emplace_back("INCRBY", "{example}:to", amount);
  TRY(const auto done, own.transaction(std::move(both), deadline));
  return done.has_value();
}

static Result<void> show(Client& client) {
  const Deadline deadline = Deadline::in(2s);
  std::vector<Command> commands;
  commands.emplace_back("SET", "{example}:from", 100);
  commands.emplace_back("SET", "{example}:to", 0);
  for (int i = 0; i < 100; ++i) commands.emplace_back("INCR", "{example}:count");
  const Replies replies = client.pipeline(std::move(commands), deadline);
  for (const auto& reply : replies) {
    if (!reply) return reply.error();
  }
  std::printf("%zu answers, the last is %lld\n", replies.size(),
              static_cast<long long>(replies.back().value().integer));

  TRY(const bool moved, transfer(client, 30, deadline));
  std::printf("%s\n", moved ? "moved 30" : "somebody was faster");
  std::vector<Command> end;
  end.emplace_back("MGET", "{example}:from", "{example}:to");
  end.emplace_back("DEL", "{example}:from", "{example}:to", "{example}:count");
  TRY(const std::vector<Value> last, client.transaction(std::move(end), deadline));
  std::printf("now %s and %s\n", last[0].items[0].text.c_str(), last[0].items[1].text.c_str());
  return last[0].items[0].text == "70" ? Result<void>() : fail(Code::internal, "", "the sum is wrong");
}

int main(int argc, char** argv) {
  auto options = parse_url(argc > 1 ? argv[1] : "redis://127.0.0.1:6379");
  auto client = options ? Client::create(std::move(*options)) : Result<std::unique_ptr<Client>>(options.error());
  const Result<void> shown = client ? show(**client) : Result<void>(client.error());
  if (!shown) std::fprintf(stderr, "%s\n", shown.error().message.c_str());
  return shown ? 0 : 1;
}
