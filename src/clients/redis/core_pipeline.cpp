#include <algorithm>
#include <array>

#include "base/text.h"
#include "clients/redis/core.h"

namespace chaveiro::redis {
namespace {

// The replies of a pipeline, until all have come.
struct Collected {
  explicit Collected(std::size_t count, PipelineCallback callback) : done(std::move(callback)) {
    state.lock()->left = count;
    for (std::size_t i = 0; i < count; ++i) state.lock()->replies.emplace_back(Value{});
  }
  struct State {
    Replies replies;
    std::size_t left = 0;
  };
  void put(std::size_t index, Result<Value>&& reply) {
    const bool last = state.with([&](State& it) {
      it.replies[index] = std::move(reply);
      return --it.left == 0;
    });
    if (last) done(std::move(state.lock()->replies));
  }
  Guarded<State> state;
  PipelineCallback done;
};

// Commands whose keys may lie on several nodes, and how the parts' answers become one.
enum class Join : std::uint8_t { list, sum, ok };
struct Splittable {
  std::string_view name;
  Join join;
  std::size_t step;  // arguments a key
};
constexpr std::array splittable{Splittable{"MGET", Join::list, 1},  Splittable{"DEL", Join::sum, 1},
                                Splittable{"UNLINK", Join::sum, 1}, Splittable{"EXISTS", Join::sum, 1},
                                Splittable{"TOUCH", Join::sum, 1},  Splittable{"MSET", Join::ok, 2}};

struct Part {
  Command command;
  std::vector<std::size_t> places;  // of its keys in the whole
};

Result<Value> join(Join how, std::size_t keys, const std::vector<Part>& parts, Replies&& replies) {
  // A part that may have been executed outweighs one that was not: the whole may have been.
  for (const Code worst : {Code::maybe_applied}) {
    for (const auto& reply : replies) {
      if (!reply && reply.error().code == worst) return reply.error();
    }
  }
  const bool changed = std::ranges::any_of(replies, [](const auto& reply) { return reply.has_value(); });
  for (const auto& reply : replies) {
    if (reply) continue;
    if (how == Join::list || !changed || parts.front().command.access() == Access::read) return reply.error();
    return fail(Code::maybe_applied, "PartlyApplied",
                "Redis: some keys were changed and some were not: " + reply.error().message);
  }
  if (how == Join::ok) return Value::of_status("OK");
  Value whole = how == Join::sum ? Value::of_integer(0) : Value::of_items(Kind::array, std::vector<Value>(keys));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (how == Join::sum) {
      whole.integer += replies[i]->integer;
      continue;
    }
    if (replies[i]->items.size() != parts[i].places.size()) {
      return fail(Code::corrupt, "UnexpectedReply", "Redis: MGET answered with another number of values");
    }
    for (std::size_t k = 0; k < parts[i].places.size(); ++k) {
      whole.items[parts[i].places[k]] = std::move(replies[i]->items[k]);
    }
  }
  return whole;
}

}  // namespace

void Core::send_pipeline(std::vector<Command> commands, Deadline deadline, PipelineCallback done) {
  if (commands.empty()) {
    io(0).post([done = std::move(done)](Nothing) mutable { done({}); });
    return;
  }
  const auto collected = std::make_shared<Collected>(commands.size(), std::move(done));
  // For each connection one piece; the map is held so that the connections stay.
  std::vector<std::pair<Connection*, std::vector<Request>>> pieces;
  std::vector<std::shared_ptr<const NodeMap>> held;
  std::vector<Request> homeless;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    Request request;
    request.command = std::move(commands[i]);
    request.deadline = deadline.when();
    request.done = [collected, i](Result<Value>&& reply) { collected->put(i, std::move(reply)); };
    if (refused(request) || (options_.mode == Mode::cluster && split(request))) continue;
    std::shared_ptr<const NodeMap> map;
    Connection* connection = pick(request, map, request.on_replica);
    // In one piece and in order: all to the same of a node's connections.
    if (connection != nullptr && map->slots.empty() && !request.on_replica)
      connection = &map->masters.front()->shared(0);
    if (connection == nullptr) {
      homeless.push_back(std::move(request));
      continue;
    }
    held.push_back(std::move(map));
    auto piece = std::ranges::find(pieces, connection, [](const auto& it) { return it.first; });
    if (piece == pieces.end()) piece = pieces.emplace(piece, connection, std::vector<Request>());
    piece->second.push_back(std::move(request));
  }
  for (auto& [connection, requests] : pieces) connection->send_all(std::move(requests));
  for (Request& request : homeless) {
    send_again(std::move(request), fail(Code::unavailable, "NoServer", "Redis: no server is known for this command"));
  }
}

// A command whose keys lie in several slots becomes one for each slot. False: it is not such a command.
bool Core::split(Request& request) {
  const std::string_view name = request.command.name();
  const auto kind =
      std::ranges::find_if(splittable, [&](const Splittable& it) { return equal_ignoring_ascii_case(it.name, name); });
  if (kind == splittable.end() || request.pinned) return false;
  const std::vector<std::string_view> words = request.command.parts();
  const std::size_t keys = (words.size() - 1) / kind->step;
  if (keys < 2 || (words.size() - 1) % kind->step != 0) return false;
  const unsigned first = slot_of(words[1]);
  bool same = true;
  for (std::size_t k = 1; k < keys && same; ++k) same = slot_of(words[1 + k * kind->step]) == first;
  if (same) return false;

  std::map<unsigned, Part> by_slot;
  for (std::size_t k = 0; k < keys; ++k) {
    const std::size_t at = 1 + k * kind->step;
    auto [place, is_new] = by_slot.try_emplace(slot_of(words[at]));
    if (is_new) place->second.command = Command(name);
    for (std::size_t i = 0; i < kind->step; ++i) place->second.command.add(words[at + i]);
    if (request.command.access() == Access::idempotent) place->second.command.idempotent();
    place->second.places.push_back(k);
  }
  auto parts = std::make_shared<std::vector<Part>>();
  std::vector<Command> commands;
  for (auto& [slot, part] : by_slot) {
    commands.push_back(part.command);
    parts->push_back(std::move(part));
  }
  const Deadline deadline = Deadline::at(request.deadline);
  auto whole = std::make_shared<Request>(std::move(request));
  if (whole->waiter && !whole->waiter->begin_send()) return true;
  send_pipeline(std::move(commands), deadline, [whole, parts, keys, how = kind->join](Replies&& replies) {
    whole->finish(join(how, keys, *parts, std::move(replies)));
  });
  return true;
}

}  // namespace chaveiro::redis
