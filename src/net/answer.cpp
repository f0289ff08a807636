#include "net/answer.h"

#include <array>
#include <charconv>

#include "base/text.h"

namespace chaveiro::net {
namespace {

bool is_ours(std::string_view name) {
  return equal_ignoring_ascii_case(name, "Content-Length") || equal_ignoring_ascii_case(name, "Transfer-Encoding") ||
         equal_ignoring_ascii_case(name, "Connection") || equal_ignoring_ascii_case(name, "Date");
}

void append_number(std::string& out, std::uint64_t number, int base) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
  out.append(digits.data(), end);
}

void append_connection(std::string& out, const AnswerFraming& framing) {
  if (!framing.keep_alive) {
    out += "Connection: close\r\n";
  } else if (framing.http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
}

}  // namespace

bool status_allows_body(int status) { return status != 204 && status != 304; }

void append_answer(std::string& out, const Response& response, const AnswerFraming& framing,
                   std::string_view date_line) {
  const int status = response.status;
  if (status == 200) {
    out += "HTTP/1.1 200 OK\r\n";
  } else {
    out += "HTTP/1.1 ";
    append_number(out, static_cast<std::uint64_t>(status), 10);
    out += ' ';
    out += reason_phrase(status);
    out += "\r\n";
  }
  out += date_line;
  if (status_allows_body(status)) {
    if (framing.body == AnswerFraming::Body::sized) {
      out += "Content-Length: ";
      append_number(out, response.body.size(), 10);
      out += "\r\n";
    } else if (framing.body == AnswerFraming::Body::chunked) {
      out += "Transfer-Encoding: chunked\r\n";
    }
  }
  append_connection(out, framing);
  for (std::size_t i = 0; i < response.headers.size(); ++i) {
    const Headers::Field field = response.headers[i];
    if (is_ours(field.name)) continue;
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  out += "\r\n";
  const bool with_body =
      framing.body == AnswerFraming::Body::sized && !framing.answers_head && status_allows_body(status);
  if (with_body) out += response.body;
}

void append_chunk(std::string& out, std::string_view bytes) {
  if (bytes.empty()) return;
  append_number(out, bytes.size(), 16);
  out.append("\r\n").append(bytes).append("\r\n");
}

}  // namespace chaveiro::net
