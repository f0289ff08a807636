#include <algorithm>
#include <array>

#include "base/text.h"
#include "clients/redis/core.h"

namespace chaveiro::redis {
namespace {

// What leaves something behind that the next borrower must not meet.
constexpr std::array spoiling{"SELECT",     "AUTH",     "HELLO",     "CLIENT",  "SUBSCRIBE", "PSUBSCRIBE",
                              "SSUBSCRIBE", "READONLY", "READWRITE", "MONITOR", "RESET",     "QUIT",
                              "ASKING",     "DEBUG",    "SHUTDOWN",  "SCRIPT"};

bool is(std::string_view name, std::string_view command) { return equal_ignoring_ascii_case(name, command); }

}  // namespace

Borrowed::Borrowed(std::unique_ptr<Lent> lent) : lent_(std::move(lent)) {}
Borrowed::Borrowed(Borrowed&& other) noexcept = default;
Borrowed& Borrowed::operator=(Borrowed&& other) noexcept {
  Borrowed taken(std::move(other));
  std::swap(lent_, taken.lent_);
  return *this;
}
Borrowed::~Borrowed() {
  if (!lent_) return;
  const bool clean = !lent_->in_multi && !lent_->watching && !lent_->spoilt;
  lent_->node->give_back(std::move(lent_->loan), clean);
}

bool Borrowed::usable() const { return lent_ && !lent_->loan.connection->closed(); }

Result<Value> Borrowed::call(Command command, Deadline deadline) {
  if (!usable()) return fail(Code::unavailable, "NotConnected", "Redis: the borrowed connection is closed");
  const std::string name(command.name());
  if (is(name, "MULTI")) lent_->in_multi = true;
  if (is(name, "WATCH")) lent_->watching = true;
  if (is(name, "UNWATCH")) lent_->watching = false;
  if (is(name, "EXEC") || is(name, "DISCARD")) lent_->in_multi = lent_->watching = false;
  if (std::ranges::any_of(spoiling, [&](std::string_view it) { return is(name, it); })) lent_->spoilt = true;

  const auto waiter = std::make_shared<Waiter>();
  const Access access = command.access();
  Request request;
  request.command = std::move(command);
  request.deadline = deadline.when();
  request.waiter = waiter;
  request.pinned = true;
  Connection& connection = *lent_->loan.connection;
  if (connection.send(std::move(request), true) == Connection::Drive::yes) {
    connection.drive(*waiter, deadline, lent_->core->spin());
  }
  if (waiter->done() || waiter->wait(deadline, lent_->core->spin())) return waiter->take();
  const std::optional<bool> sent = waiter->abandon();
  if (!sent) return waiter->take();
  connection.close(fail(Code::cancelled, "DeadlineExceeded", "Redis: a borrowed connection owes an answer"));
  if (*sent && access != Access::read) {
    return fail(Code::maybe_applied, "AnswerLost", "Redis: no answer in time; the command may have been executed");
  }
  return fail(Code::deadline, "DeadlineExceeded", "Redis: no answer in time");
}

Replies Borrowed::pipeline(std::vector<Command> commands, Deadline deadline) {
  struct Shared {
    std::vector<std::optional<Result<Value>>> replies;
    std::size_t left = 0;
  };
  const auto shared = std::make_shared<Guarded<Shared>>();
  shared->with([&](Shared& it) {
    it.replies.resize(commands.size());
    it.left = commands.size();
  });
  std::vector<Request> requests;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    Request request;
    request.command = std::move(commands[i]);
    request.deadline = deadline.when();
    request.pinned = true;
    request.done = [shared, i](Result<Value>&& reply) {
      shared->with([&](Shared& it) {
        it.replies[i].emplace(std::move(reply));
        --it.left;
      });
      shared->notify_one();
    };
    requests.push_back(std::move(request));
  }
  bool late = false;
  if (usable()) {
    lent_->loan.connection->send_all(std::move(requests));
    auto it = shared->lock();
    it.wait(Deadline::never(), [](const Shared& state) { return state.left == 0; });
    for (const auto& reply : it->replies) {
      const Result<Value>& answer = *reply;
      late = late || (!answer && (answer.error().code == Code::deadline || answer.error().code == Code::maybe_applied));
    }
  }
  if (late)
    lent_->loan.connection->close(
        fail(Code::cancelled, "DeadlineExceeded", "Redis: a borrowed connection owes an answer"));
  Replies replies;
  const auto state = shared->lock();
  for (auto& reply : state->replies) {
    replies.push_back(
        reply ? std::move(*reply)
              : Result<Value>(fail(Code::unavailable, "NotConnected", "Redis: the borrowed connection is closed")));
  }
  return replies;
}

Result<std::optional<std::vector<Value>>> Borrowed::transaction(std::vector<Command> commands, Deadline deadline) {
  std::vector<Command> all;
  all.reserve(commands.size() + 2);
  all.emplace_back("MULTI");
  std::ranges::move(commands, std::back_inserter(all));
  all.emplace_back("EXEC");
  Replies replies = pipeline(std::move(all), deadline);
  lent_->watching = false;
  Result<Value>& exec = replies.back();
  if (!exec) {
    // A command that was refused when it was queued says why better than EXEC does.
    for (std::size_t i = 0; i + 1 < replies.size(); ++i) {
      if (!replies[i] && exec.error().reason == "EXECABORT") {
        return fail(Code::conflict, "EXECABORT", "Redis: not executed: " + replies[i].error().message);
      }
    }
    return exec.error();
  }
  if (exec->is_nil()) return std::optional<std::vector<Value>>();
  return std::optional(std::move(exec->items));
}

}  // namespace chaveiro::redis
