#include "api/rest/router.h"

#include <algorithm>

namespace chaveiro::api::rest {
namespace {

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // '/'
    const auto end = std::min(path.find('/'), path.size());
    segments.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return segments;
}

bool is_parameter(std::string_view segment) { return segment.starts_with('{'); }

std::size_t literals(const std::vector<std::string_view>& segments) {
  return static_cast<std::size_t>(std::ranges::count_if(segments, [](auto segment) { return !is_parameter(segment); }));
}

bool fits(const std::vector<std::string_view>& pattern, const std::vector<std::string_view>& path) {
  return std::ranges::equal(pattern, path, [](std::string_view want, std::string_view have) {
    return is_parameter(want) ? !have.empty() : want == have;
  });
}

}  // namespace

Router::Router(const std::vector<Route>& routes) {
  for (const Route& route : routes) rows_.push_back({&route, segments_of(route.path)});
  // Rows of as many literals keep the order of the table, which lies in one piece.
  std::ranges::sort(rows_, [](const Row& a, const Row& b) {
    const std::size_t first = literals(a.segments);
    const std::size_t second = literals(b.segments);
    return first != second ? first > second : a.route < b.route;
  });
}

Match Router::find(net::Method method, std::string_view path) const {
  Match match;
  if (!path.starts_with('/') || path.size() > 2'048) return match;
  const net::Method wanted = method == net::Method::head ? net::Method::get : method;
  const auto segments = segments_of(path);
  std::size_t best = 0;  // literals of the first row that fits: rows with fewer are other paths
  for (const Row& row : rows_) {
    if (!fits(row.segments, segments)) continue;
    if (!match.allow.empty() && literals(row.segments) < best) break;
    best = literals(row.segments);
    if (!match.allow.empty()) match.allow += ", ";
    match.allow += to_string(row.route->method);
    if (row.route->method == net::Method::get) match.allow += ", HEAD";
    if (row.route->method != wanted) continue;
    match.route = row.route;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (!is_parameter(row.segments[i])) continue;
      auto text = net::percent_decode(segments[i]);
      match.values.emplace_back(row.segments[i].substr(1, row.segments[i].size() - 2),
                                text ? std::move(*text) : std::string());
    }
  }
  if (!match.allow.empty()) match.allow += ", OPTIONS";
  return match;
}

}  // namespace chaveiro::api::rest
