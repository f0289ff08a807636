// api/grpc/paging.h
//
// What every list rpc does with page_size, page_token, next_page_token and total_count.
//
// Threads: a pure function but for what `list` does.
#pragma once

#include <type_traits>

#include "api/grpc/flight.h"

namespace chaveiro::api::grpc {

// `list` takes a directory::PageRequest and answers a Result<directory::Page<Item>>; what comes out are its items.
template <class Filter, class Request, class Response, class List>
auto page_of(Handling& it, const Filter& filter, const Request& in, Response& out, List list)
    -> Result<decltype(list(std::declval<directory::PageRequest>())->items)> {
  const PageTokens& tokens = it.services.page_tokens;
  const PageScope scope = page_scope(filter);
  TRY(const directory::PageRequest request, tokens.request(scope, in.page_size(), in.page_token()));
  TRY(auto page, list(request));
  out.set_next_page_token(tokens.next(scope, page));
  out.set_total_count(static_cast<std::int32_t>(page.total));
  return std::move(page.items);
}

}  // namespace chaveiro::api::grpc
