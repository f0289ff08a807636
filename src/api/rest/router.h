// api/rest/router.h
//
// Which route does a request want? Paths are matched segment by segment; a literal segment goes before a parameter, so that
// /claims/incoming is not a claim of that id. A segment is decoded after it was cut, so that %2F is no separator.
//
// Threads: made once; reading is free to all. Time: O(routes) on a few dozen.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/rest/route.h"

namespace chaveiro::api::rest {

struct Match {
  const Route* route = nullptr;  // null: no route of this method
  PathValues values;
  std::string allow;  // "GET, HEAD, OPTIONS": what the path takes; "" where there is no such path
};

class Router {
 public:
  explicit Router(const std::vector<Route>& routes);

  // HEAD finds the route of GET.
  Match find(net::Method method, std::string_view path) const;

 private:
  struct Row {
    const Route* route;
    std::vector<std::string_view> segments;
  };
  std::vector<Row> rows_;
};

}  // namespace chaveiro::api::rest
