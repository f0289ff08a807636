// net/answer.h
//
// How an answer is written on the wire: status line, the fields that the server makes, the handler's, and the body's framing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace chaveiro::net {

struct AnswerFraming {
  enum class Body : std::uint8_t { sized, chunked, until_close };
  Body body = Body::sized;
  bool answers_head = false;
  bool keep_alive = true;
  bool http_1_0 = false;
};

// Appends the head, and the body where it is sized and wanted. `date_line` is a whole field with its line end.
void append_answer(std::string& out, const Response& response, const AnswerFraming& framing,
                   std::string_view date_line);
void append_chunk(std::string& out, std::string_view bytes);  // nothing for an empty piece
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

// 204 and 304 have none, whatever the handler says.
bool status_allows_body(int status);

}  // namespace chaveiro::net
