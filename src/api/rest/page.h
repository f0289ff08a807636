// api/rest/page.h
//
// The page that shows the OpenAPI document to people: its files lie in page/ and are built into the program, so that it needs no
// other network.
//
// Threads: constants.
#pragma once

#include <string_view>

namespace chaveiro::api::rest {

extern const std::string_view page_html;
extern const std::string_view page_css;
extern const std::string_view page_js;

}  // namespace chaveiro::api::rest
