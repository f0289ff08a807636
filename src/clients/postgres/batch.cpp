#include "clients/postgres/batch.h"

#include <optional>
#include <set>
#include <unordered_map>

#include "directory/chronicle.h"

namespace chaveiro::clients::postgres {

using namespace directory;

namespace {

// The statements for one table; an `update` has the versions that must still be there behind all columns.
struct Statements {
  const Table& table;
  std::string insert, update;
};

Statements statements_of(const Table& table, const std::string& insert_if, const std::string& update_if) {
  const std::string name(table.name), list = table.list();
  std::string assigned, values;
  for (const Column& column : table.columns.subspan(1)) {
    assigned += (assigned.empty() ? "" : ", ") + std::string(column.name);
    values += (values.empty() ? "d." : ", d.") + std::string(column.name);
  }
  std::string with_versions = table.unnested(1);
  const std::size_t close = with_versions.find(") AS d (");
  with_versions.insert(close, ", $" + std::to_string(table.columns.size() + 1) + "::bigint[]");
  with_versions.back() = ',';
  with_versions += " was)";
  return {table,
          "INSERT INTO " + name + " (" + list + ") SELECT * FROM " + table.unnested(1) + insert_if +
              " ON CONFLICT DO NOTHING RETURNING id",
          "UPDATE " + name + " AS t SET (" + assigned + ") = (" + values + ") FROM " + with_versions +
              " WHERE t.id = d.id AND t.version = d.was" + update_if + " RETURNING t.id"};
}

Statements marks_of(const Table& table, const std::string& on_conflict, const std::string& named_by) {
  const std::string name(table.name);
  return {table,
          "INSERT INTO " + name + " (" + table.list() + ") SELECT * FROM " + table.unnested(1) + " ON CONFLICT " +
              on_conflict + " RETURNING " + name + ".subscription, " + name + "." + named_by,
          ""};
}

const std::string account_is_open =
    "(d.status = 4 OR EXISTS (SELECT 1 FROM accounts AS a WHERE a.id = d.account_id AND a.status = 1))";

const Statements& statements(std::size_t kind) {
  static const Statements all[] = {
      statements_of(
          accounts_table, "",
          " AND (d.status = 1 OR NOT EXISTS (SELECT 1 FROM entries AS e WHERE e.account_id = d.id AND e.status <> 4))"),
      statements_of(entries_table, " WHERE " + account_is_open, " AND " + account_is_open),
      statements_of(claims_table, "", ""), marks_of(inbox_versions_table, std::string(newer_version_wins), "aggregate"),
      marks_of(inbox_ids_table, "DO NOTHING", "event")};
  return all[kind];
}

bool replaces(const Write& write) {
  return std::visit([](const auto& put) { return put.before.has_value(); }, write);
}
std::uint64_t version_replaced(const Write& write) {
  return std::visit([](const auto& put) { return put.before->version; }, write);
}

std::size_t mix(std::size_t hash, std::size_t more) { return (hash ^ more) * 0x9e3779b97f4a7c15 + (hash >> 29); }

std::vector<Oid> types_of(const Table& table, bool update) {
  std::vector<Oid> types = table.types();
  if (update) types.push_back(oid::int8);
  return types;
}

std::string name_of(std::string_view subscription, std::string_view thing) {
  return std::string(subscription) + '\0' + std::string(thing);
}
std::string name_of(const events::Mark& mark) {
  return name_of(mark.subscription,
                 mark.version == 0 ? as_text(mark.event_id.bytes()) : std::string_view(mark.aggregate_id));
}

// What changes touch, as hashes: two that share one by chance merely go in different waves.
class Wave {
 public:
  // False: it touches what is touched already, and must go in the next wave.
  bool take(const Change& change) {
    writes_.clear(), reads_.clear();
    for (const Write& write : change.writes) {
      writes_.push_back(mix(1, std::hash<Uuid>{}(resource_of(write))));
      if (const auto* entry = std::get_if<Put<Entry>>(&write)) {
        const std::size_t account = std::hash<Uuid>{}(entry->after.account.id.uuid);
        writes_.push_back(mix(2, std::hash<Key>{}(entry->after.key)));
        writes_.push_back(mix(mix(3, account), entry->after.slot));
        if (entry->before)
          writes_.push_back(mix(mix(3, std::hash<Uuid>{}(entry->before->account.id.uuid)), entry->before->slot));
        reads_.push_back(mix(1, account));
      } else if (const auto* claim = std::get_if<Put<Claim>>(&write)) {
        writes_.push_back(mix(4, std::hash<Key>{}(claim->after.key)));
      }
    }
    if (change.request)
      writes_.push_back(mix(mix(5, std::hash<Uuid>{}(change.request->id.uuid)), std::hash<Ispb>{}(change.ispb)));
    if (change.mark) writes_.push_back(mix(6, std::hash<std::string>{}(name_of(*change.mark))));
    for (const std::size_t one : writes_)
      if (written_.contains(one) || read_.contains(one)) return false;
    for (const std::size_t one : reads_)
      if (written_.contains(one)) return false;
    written_.insert(writes_.begin(), writes_.end());
    read_.insert(reads_.begin(), reads_.end());
    return true;
  }

 private:
  std::set<std::size_t> written_, read_;
  std::vector<std::size_t> writes_, reads_;
};

}  // namespace

Batch::Batch(Kind kind, bool update)
    : kind_(kind), update_(update), columns_(types_of(statements(static_cast<std::size_t>(kind)).table, update)) {}

const std::string& Batch::sql() const {
  const Statements& its = statements(static_cast<std::size_t>(kind_));
  return update_ ? its.update : its.insert;
}

void Batch::take(const Write& write, Item* item) {
  std::visit([&](const auto& put) { add(columns_, put.after); }, write);
  if (update_) columns_.add(version_replaced(write));
  items_.emplace_back(as_text(resource_of(write).bytes()), item);
}

void Batch::take(const events::Mark& mark, Item* item) {
  add(columns_, mark);
  items_.emplace_back(name_of(mark), item);
}

void Batch::count(const Rows& rows) {
  const bool marks = kind_ == Kind::mark_version || kind_ == Kind::mark_id;
  const auto done = [&](Item& item) { marks ? void(item.marked = true) : void(++item.written); };
  if (rows.size() == items_.size()) {
    for (auto& [name, item] : items_) done(*item);
    return;
  }
  const std::unordered_map<std::string, Item*> by_name(items_.begin(), items_.end());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row row = rows[i];
    const std::string first(row.text());
    done(*by_name.at(marks ? name_of(first, row.text()) : first));
  }
}

std::vector<Batch> batches_of(std::span<Item> items) {
  std::vector<Batch> all;
  for (std::size_t next = 0; next < items.size();) {
    Wave wave;
    const std::size_t first = next;
    while (next < items.size() && wave.take(*items[next].change)) ++next;
    const std::span<Item> together = items.subspan(first, next - first);
    std::optional<Batch> marks[2];
    for (Item& item : together) {
      if (!item.change->mark) continue;
      const bool by_id = item.change->mark->version == 0;
      std::optional<Batch>& batch = marks[by_id ? 1 : 0];
      if (!batch) batch = Batch(by_id ? Batch::Kind::mark_id : Batch::Kind::mark_version, false);
      batch->take(*item.change->mark, &item);
    }
    for (std::optional<Batch>& batch : marks)
      if (batch) all.push_back(std::move(*batch));
    for (std::size_t place = 0; place < writes_max; ++place) {
      std::optional<Batch> batches[6];
      for (Item& item : together) {
        if (place >= item.change->writes.size()) continue;
        const Write& write = item.change->writes[place];
        std::optional<Batch>& batch = batches[write.index() * 2 + (replaces(write) ? 1 : 0)];
        if (!batch) batch = Batch(static_cast<Batch::Kind>(write.index()), replaces(write));
        batch->take(write, &item);
      }
      for (std::optional<Batch>& batch : batches)
        if (batch) all.push_back(std::move(*batch));
    }
  }
  return all;
}

}  // namespace chaveiro::clients::postgres
