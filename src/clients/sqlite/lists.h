// clients/sqlite/lists.h
//
// One page of rows and how many there are, from a table and the conditions that a filter makes.
//
// Threads: pure functions on the connection that they are handed.
// Errors:  invalid (page size), and those of Connection.
#pragma once

#include <functional>
#include <vector>

#include "clients/sqlite/connection.h"
#include "directory/store.h"

namespace chaveiro::clients::sqlite {

inline constexpr std::int64_t total_max = 10'000;

// Conditions joined by AND, each with the values for its question marks.
class Where {
 public:
  template <class... Values>
  void add(std::string_view condition, const Values&... values) {
    if (!text_.empty()) text_ += " AND ";
    text_ += condition;
    values_.push_back([values...](Statement& statement) { (statement.add(values), ...); });
  }
  // `column` is one of the ids; none lets nothing through.
  void add_ids(std::string_view column, const std::vector<directory::AccountId>& ids);

  const std::string& text() const { return text_; }
  void bind(Statement& statement) const {
    for (const auto& value : values_) value(statement);
  }

 private:
  std::string text_;
  std::vector<std::function<void(Statement&)>> values_;
};

struct List {
  std::string_view columns;
  std::string_view from;  // " FROM table "
  Where where;            // of the filter alone: what is counted
  Where after;            // where the page begins; empty: at the start
  std::string_view order_by;
};

Result<void> check_page(const directory::PageRequest& page);
// Exact up to total_max, beyond that 0.
Result<std::uint64_t> count(Connection& connection, const List& list);

template <class T>
Result<directory::Page<T>> page_of(Connection& connection, const List& list, const directory::PageRequest& request,
                                   Result<T> (*read)(Statement&), directory::Position (*position_of)(const T&)) {
  TRY_VOID(check_page(request));
  directory::Page<T> page;
  TRY(page.total, count(connection, list));
  const std::string conditions =
      list.after.text().empty() ? list.where.text() : list.where.text() + " AND " + list.after.text();
  TRY(const auto rows, connection.prepare_once("SELECT " + std::string(list.columns) + std::string(list.from) +
                                               "WHERE " + conditions + " ORDER BY " + std::string(list.order_by) +
                                               " LIMIT " + std::to_string(request.limit + 1)));
  list.where.bind(*rows);
  list.after.bind(*rows);
  for (;;) {
    TRY(const bool row, rows->step());
    if (!row) return page;
    if (page.items.size() == request.limit) {
      page.next = position_of(page.items.back());
      return page;
    }
    TRY(T item, read(*rows));
    page.items.push_back(std::move(item));
  }
}

}  // namespace chaveiro::clients::sqlite
