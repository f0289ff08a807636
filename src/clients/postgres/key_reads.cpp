#include "clients/postgres/key_reads.h"

#include <unordered_map>

#include "clients/postgres/errors.h"
#include "clients/postgres/rows.h"

namespace chaveiro::clients::postgres {

using namespace directory;

namespace {

const std::string by_key =
    "SELECT " + entries_table.list() + " FROM entries WHERE key = $1 AND key_type = $2 AND status <> 4";
const std::string by_keys =
    "SELECT " + entries_table.list() + " FROM entries WHERE key = ANY ($1::text[]) AND status <> 4";

constexpr Oid one_text[] = {oid::text};

}  // namespace

Result<std::optional<Entry>> KeyReads::Found::entry() const {
  if (!row) return std::optional<Entry>();
  TRY(Entry entry, read_entry(rows[*row]));
  return std::optional<Entry>(std::move(entry));
}

KeyReads::KeyReads(Pipeline& pipeline, std::string ispbs, KeyReadOptions options)
    : pipeline_(pipeline), ispbs_(std::move(ispbs)), options_(options) {}

KeyReads::Together KeyReads::next(State& state, std::size_t keys_max) {
  if (state.waiting.empty()) return nullptr;
  auto together = std::make_shared<std::vector<Wanted>>();
  const std::size_t count = std::min(keys_max, state.waiting.size());
  const auto end = state.waiting.begin() + static_cast<std::ptrdiff_t>(count);
  together->assign(std::make_move_iterator(state.waiting.begin()), std::make_move_iterator(end));
  state.waiting.erase(state.waiting.begin(), end);
  return together;
}

void KeyReads::find(const Key& key, Deadline deadline, Done done) {
  if (deadline.expired()) return done(too_late());
  if (!options_.joined) {
    return pipeline_.call({by_key, Params().add(key.value()).add(key.type()), ispbs_, deadline,
                           [done = std::move(done)](Result<Rows> rows) {
                             if (!rows) return done(rows.error());
                             const bool there = !rows->empty();
                             done(Found{std::move(*rows), there ? std::optional<std::size_t>(0) : std::nullopt});
                           }});
  }
  const Together together = state_.with([&](State& state) -> Together {
    state.waiting.push_back({key, deadline, std::move(done)});
    if (state.under_way >= options_.statements_max) return nullptr;
    ++state.under_way;
    return next(state, options_.keys_max);
  });
  if (together) send(together);
}

// The statement may take as long as the most patient of them; each leaves at its own deadline.
void KeyReads::send(const Together& together) {
  Columns keys(one_text);
  Deadline deadline = together->front().deadline;
  for (const Wanted& wanted : *together) {
    keys.add(wanted.key.value());
    deadline = std::max(deadline, wanted.deadline);
  }
  Params params;
  keys.add_to(params);
  pipeline_.call({by_keys, std::move(params), ispbs_, deadline, [this, together](Result<Rows> rows) {
                    const Together more = state_.with([&](State& state) {
                      Together its = next(state, options_.keys_max);
                      if (!its) --state.under_way;
                      return its;
                    });
                    if (more) send(more);
                    answer(*together, std::move(rows));
                  }});
}

void KeyReads::answer(std::vector<Wanted>& together, Result<Rows> rows) {
  if (!rows) {
    for (Wanted& wanted : together) wanted.done(rows.error());
    return;
  }
  // Keys of different types never share a text, but for texts that we did not write.
  std::unordered_multimap<std::string_view, std::pair<KeyType, std::size_t>> found;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    Row row = (*rows)[i];
    row.skip();
    const auto type = static_cast<KeyType>(row.number());
    found.emplace(row.text(), std::pair(type, i));
  }
  for (Wanted& wanted : together) {
    std::optional<std::size_t> at;
    for (auto [it, end] = found.equal_range(wanted.key.value()); it != end; ++it)
      if (it->second.first == wanted.key.type()) at = it->second.second;
    wanted.done(Found{*rows, at});
  }
}

Result<std::optional<Entry>> KeyReads::find(const Key& key, Deadline deadline) {
  const auto answer = std::make_shared<Guarded<std::optional<Result<Found>>>>();
  find(key, deadline, [answer](Result<Found> found) {
    answer->with([&](auto& it) { it = std::move(found); });
    answer->notify_one();
  });
  auto it = answer->lock();
  if (!it.wait(deadline, [](const auto& there) { return there.has_value(); })) return too_late();
  if (!**it) return (*it)->error();
  return (**it)->entry();
}

}  // namespace chaveiro::clients::postgres
