#include "clients/redis/client.h"

#include <algorithm>

#include "base/text.h"
#include "clients/redis/core.h"

namespace chaveiro::redis {
namespace {

constexpr std::string_view oldest_version = "6.2";

// INFO's `name:value` lines.
std::string info_line(std::string_view info, std::string_view name) {
  const std::size_t at = info.find("\n" + std::string(name) + ":");
  if (at == std::string_view::npos) return {};
  const std::size_t begin = at + name.size() + 2;
  return std::string(info.substr(begin, info.find_first_of("\r\n", begin) - begin));
}

bool older(std::string_view version, std::string_view than) {
  const auto number = [](std::string_view text, std::size_t part) -> std::uint64_t {
    for (; part > 0; --part) text = text.find('.') == std::string_view::npos ? "" : text.substr(text.find('.') + 1);
    return parse_uint(text.substr(0, text.find('.'))).value_or(0);
  };
  const auto pair = [&](std::string_view text) { return std::pair(number(text, 0), number(text, 1)); };
  return pair(version) < pair(than);
}

}  // namespace

Client::Client(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Client::~Client() { core_->stop(); }

Result<std::unique_ptr<Client>> Client::create(Options options, Surroundings surroundings) {
  TRY(std::shared_ptr<Core> core, Core::create(std::move(options), std::move(surroundings)));
  return std::unique_ptr<Client>(new Client(std::move(core)));
}

void Client::send(Command command, Deadline deadline, Callback done) {
  Request request;
  request.command = std::move(command);
  request.deadline = deadline.when();
  request.done = std::move(done);
  core_->send(std::move(request));
}

Result<Value> Client::call(Command command, Deadline deadline) { return core_->call(std::move(command), deadline); }

void Client::send_pipeline(std::vector<Command> commands, Deadline deadline, PipelineCallback done) {
  core_->send_pipeline(std::move(commands), deadline, std::move(done));
}

Replies Client::pipeline(std::vector<Command> commands, Deadline deadline) {
  const auto waiter = std::make_shared<Waiter>();
  const auto replies = std::make_shared<Replies>();
  core_->send_pipeline(std::move(commands), deadline, [waiter, replies](Replies&& all) {
    *replies = std::move(all);
    waiter->complete(Value{});
  });
  // Each command answers by the deadline, by itself.
  waiter->wait(Deadline::never(), core_->spin());
  return std::move(*replies);
}

Result<std::vector<Value>> Client::transaction(std::vector<Command> commands, Deadline deadline) {
  std::string key;
  for (const Command& command : commands) {
    if (key.empty()) key = command.key();
  }
  TRY(Borrowed borrowed, borrow(deadline, key));
  TRY(std::optional<std::vector<Value>> values, borrowed.transaction(std::move(commands), deadline));
  if (!values) return fail(Code::conflict, "EXECABORT", "Redis: the transaction was not executed");
  return std::move(*values);
}

Result<Borrowed> Client::borrow(Deadline deadline, std::string_view key) { return core_->borrow(deadline, key); }

void Client::send_script(const Script& script, std::span<const std::string_view> keys,
                         std::span<const std::string_view> args, Deadline deadline, Callback done) {
  const auto make = [&](std::string_view name, const std::string& what) {
    Command command(name, what, keys.size());
    command.add_all(keys).add_all(args);
    if (script.access() == Access::read) command.reads_only();
    if (script.access() == Access::idempotent) command.idempotent();
    return command;
  };
  // Copied for the case that the server does not know the script, which is rare: only then they are used.
  struct Fallback {
    std::weak_ptr<Core> core;
    Command eval;
    Deadline deadline;
    Callback done;
  };
  auto fallback = std::make_unique<Fallback>(Fallback{core_, make("EVAL", script.text()), deadline, std::move(done)});
  send(make("EVALSHA", script.sha()), deadline, [fallback = std::move(fallback)](Result<Value>&& reply) {
    const auto core = fallback->core.lock();
    if (reply || reply.error().reason != "NOSCRIPT" || !core) return fallback->done(std::move(reply));
    Request request;
    request.command = std::move(fallback->eval);
    request.deadline = fallback->deadline.when();
    request.done = std::move(fallback->done);
    core->send(std::move(request));
  });
}

Result<Value> Client::eval(const Script& script, std::span<const std::string_view> keys,
                           std::span<const std::string_view> args, Deadline deadline) {
  for (const bool by_sha : {true, false}) {
    Command command =
        by_sha ? Command("EVALSHA", script.sha(), keys.size()) : Command("EVAL", script.text(), keys.size());
    command.add_all(keys).add_all(args);
    if (script.access() == Access::read) command.reads_only();
    if (script.access() == Access::idempotent) command.idempotent();
    auto reply = call(std::move(command), deadline);
    if (reply || reply.error().reason != "NOSCRIPT" || !by_sha) return reply;
  }
  return fail(Code::internal, "Unreachable", "Redis: a script was neither known nor unknown");
}

Result<void> Client::wait_ready(Deadline deadline) {
  Error last = fail(Code::deadline, "DeadlineExceeded", "Redis: not ready in time");
  Backoff pause(std::chrono::milliseconds{2}, std::chrono::milliseconds{50}, 1);
  for (;;) {
    std::vector<Endpoint> nodes = masters();
    bool ready = !nodes.empty();
    for (const Endpoint& node : nodes) {
      const auto reply = call_node(node, Command("PING"), deadline);
      if (!reply) ready = false, last = reply.error();
    }
    if (ready && core_->options().mode == Mode::cluster) {
      const auto map = core_->map();
      ready = std::ranges::find(map->slots, NodeMap::no_master) == map->slots.end();
    }
    if (ready) return {};
    if (deadline.expired()) return last;
    // A lock that nobody notifies: a wait of the given length at most.
    Guarded<bool> nothing(false);
    nothing.lock().wait(deadline.capped(pause.next()), [](bool) { return false; });
  }
}

Result<std::vector<ServerReport>> Client::check(Purpose purpose, Deadline deadline) {
  std::vector<ServerReport> reports;
  for (const Endpoint& node : masters()) {
    ServerReport report;
    report.endpoint = node;
    TRY(const std::string info, as_text(call_node(node, Command("INFO"), deadline)));
    const auto warn = [&](std::string text) {
      core_->log().warn(text, {{"server", to_string(node)}});
      report.warnings.push_back(std::move(text));
    };
    report.version = info_line(info, "redis_version");
    report.role = info_line(info, "role");
    report.eviction_policy = info_line(info, "maxmemory_policy");
    if (older(report.version, oldest_version)) warn("Redis " + report.version + " is older than 6.2");
    const bool cache_policy = report.eviction_policy.ends_with("-lru") || report.eviction_policy.ends_with("-lfu");
    if (purpose == Purpose::cache && !report.eviction_policy.empty() && !cache_policy) {
      warn("maxmemory-policy is " + report.eviction_policy + ": a cache wants allkeys-lru or volatile-lru");
    }
    if (purpose == Purpose::state && !report.eviction_policy.empty() && report.eviction_policy != "noeviction") {
      warn("maxmemory-policy is " + report.eviction_policy + ": what must not be lost wants noeviction");
    }
    for (const std::string_view name : {"GET", "SET", "EVALSHA", "SCAN", "PUBLISH", "SUBSCRIBE", "CLIENT"}) {
      const auto known = as_items(call_node(node, Command("COMMAND", "INFO", name), deadline));
      if (known && known->size() == 1 && !known->front().is_nil()) continue;
      warn(known ? "the command " + std::string(name) + " is disabled" : "COMMAND INFO is not allowed");
      if (!known) break;
    }
    reports.push_back(std::move(report));
  }
  if (reports.empty()) return fail(Code::unavailable, "NoServer", "Redis: no server is known");
  return reports;
}

std::vector<Endpoint> Client::masters() const {
  std::vector<Endpoint> found;
  const auto map = core_->map();
  for (const auto& node : map->masters) found.push_back(node->endpoint());
  return found;
}

void Client::send_to(const Endpoint& node, Command command, Deadline deadline, Callback done) {
  Request request;
  request.command = std::move(command);
  request.deadline = deadline.when();
  request.done = std::move(done);
  core_->send_to(node, std::move(request));
}

Result<Value> Client::call_node(const Endpoint& node, Command command, Deadline deadline) {
  const auto waiter = std::make_shared<Waiter>();
  send_to(node, std::move(command), deadline, [waiter](Result<Value>&& reply) { waiter->complete(std::move(reply)); });
  waiter->wait(Deadline::never(), core_->spin());
  return waiter->take();
}

const Options& Client::options() const { return core_->options(); }

Client::Figures Client::figures() const {
  Figures figures;
  const Gauges& gauges = core_->gauges();
  figures.commands = gauges.commands();
  figures.errors = gauges.errors();
  figures.retries = gauges.retries();
  figures.reconnects = gauges.reconnects();
  figures.late = gauges.late_answers();
  figures.slow = gauges.slow_commands();
  const auto nodes = core_->known_.with([](const auto& known) { return known; });
  for (const auto& [endpoint, node] : nodes) {
    const Node::Figures pool = node->figures();
    figures.connections_active += pool.lent;
    figures.connections_idle += pool.idle;
    for (const auto& connection : node->all_shared()) {
      figures.connections_active += connection->up() ? 1 : 0;
      figures.in_flight += connection->in_flight();
    }
  }
  return figures;
}

std::vector<std::pair<std::string, double>> Client::hot_keys(std::size_t count_max) const {
  return core_->gauges().hot_keys(count_max);
}

}  // namespace chaveiro::redis
