#include "net/parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstring>

#include "base/check.h"
#include "base/text.h"

namespace chaveiro::net {
namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;
using Progress = ParseStep::Progress;

constexpr std::size_t chunk_line_max = 4 * 1024;  // size, extensions and trailers of one chunk
constexpr std::size_t blank_bytes_max = 4;        // of blank lines before a message

std::string_view view(string_view text) { return {text.data(), text.size()}; }

// What Beast reports, kept where both directions find it.
struct Sink {
  ParserLimits limits;
  Headers headers;
  std::string* out = nullptr;
  std::uint64_t body_max = UINT64_MAX;
  std::uint64_t body_bytes = 0;
  bool head_done = false;
  bool http_1_1 = false;
  std::optional<Refusal> refusal;

  void refuse(error_code& ec, int status, std::string_view reason, std::string_view detail) {
    refusal = Refusal{status, reason, detail};
    ec = http::error::bad_value;
  }

  void field(std::string_view name, std::string_view value, error_code& ec) {
    if (head_done) return;  // a trailer: nothing here needs them, and a late Content-Length must change nothing
    if (headers.size() >= limits.header_count_max) {
      return refuse(ec, 431, "HeadersTooLarge", "too many header fields");
    }
    if (!headers.add(name, value)) refuse(ec, 400, "BadRequest", "a header field is malformed");
  }

  std::size_t take(std::string_view bytes, error_code& ec) {
    if (bytes.size() > body_max - std::min(body_max, body_bytes)) {
      refuse(ec, 413, "PayloadTooLarge", "the body is larger than allowed");
      return 0;
    }
    body_bytes += bytes.size();
    out->append(bytes);
    return bytes.size();
  }

  // Where a message's end could be read in two ways, it is not read at all.
  bool check_framing(error_code& ec) {
    const std::size_t lengths = headers.count("Content-Length");
    const std::size_t codings = headers.count("Transfer-Encoding");
    if (lengths + codings > 1) {
      refuse(ec, 400, "BadRequest", "more than one Content-Length or Transfer-Encoding");
    } else if (lengths == 1 && headers.get("Content-Length").find(',') != std::string_view::npos) {
      refuse(ec, 400, "BadRequest", "Content-Length is a list");
    } else if (codings == 1 && !http_1_1) {
      refuse(ec, 400, "BadRequest", "HTTP/1.0 has no Transfer-Encoding");
    } else if (codings == 1 && !equal_ignoring_ascii_case(headers.get("Transfer-Encoding"), "chunked")) {
      refuse(ec, 501, "NotImplemented", "no transfer coding but chunked is known");
    }
    return !ec;
  }
};

template <bool is_request>
class Reader : public http::basic_parser<is_request> {
 public:
  Reader(Sink& sink, Request* request, Response* response) : sink_(sink), request_(request), response_(response) {
    this->body_limit(boost::none);
    this->header_limit(UINT32_MAX);  // bounded before Beast sees a byte
  }

 private:
  void on_request_impl(http::verb, string_view method, string_view target, int version, error_code& ec) override {
    sink_.http_1_1 = version == 11;
    const auto known = method_from(view(method));
    if (!known) return sink_.refuse(ec, 501, "NotImplemented", "the method is not known");
    request_->method = *known;
    request_->target = view(target);
  }

  void on_response_impl(int code, string_view, int version, error_code& ec) override {
    sink_.http_1_1 = version == 11;
    if (code < 100 || code > 599) return sink_.refuse(ec, 400, "BadResponse", "the status is none of HTTP's");
    response_->status = code;
  }

  void on_field_impl(http::field, string_view name, string_view value, error_code& ec) override {
    sink_.field(view(name), view(value), ec);
  }

  void on_header_impl(error_code& ec) override {
    sink_.head_done = true;
    sink_.check_framing(ec);
  }

  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code& ec) override { return sink_.take(view(body), ec); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) override {
    return sink_.take(view(body), ec);
  }
  void on_finish_impl(error_code&) override {}

  Sink& sink_;
  Request* request_;
  Response* response_;
};

// Framing of heads and the driving of a Reader: the same for requests and responses.
template <bool is_request>
struct Driver {
  Sink sink;
  std::optional<Reader<is_request>> reader;
  std::size_t blank_bytes = 0;  // before this message
  std::size_t scanned = 0;      // bytes of a partial head that hold no end of it

  ParseStep refuse(int status, std::string_view reason, std::string_view detail) {
    sink.refusal = Refusal{status, reason, detail};
    return {Progress::refused, 0};
  }

  ParseStep head(std::string_view in, Request* request, Response* response, bool skip_body) {
    std::size_t blank = 0;
    while (in.substr(blank).starts_with("\r\n")) blank += 2;
    blank_bytes += blank;
    if (blank_bytes > blank_bytes_max) return refuse(400, "BadRequest", "blank lines before the message");
    if (blank > 0) return {Progress::need_more, blank};
    const std::size_t end = in.find("\r\n\r\n", scanned > 3 ? scanned - 3 : 0);
    scanned = in.size();
    const std::size_t size = end == std::string_view::npos ? in.size() : end + 4;
    if (size > sink.limits.header_bytes_max) {
      const bool long_line = in.substr(0, sink.limits.header_bytes_max).find("\r\n") == std::string_view::npos;
      return long_line && is_request ? refuse(414, "UriTooLong", "the request line is too long")
                                     : refuse(431, "HeadersTooLarge", "the header fields are too large");
    }
    if (!in.empty() && (in[0] <= ' ' || in[0] >= 0x7f) && in[0] != '\r') {
      return refuse(400, "BadRequest", "the bytes are no HTTP message");
    }
    if (end == std::string_view::npos) return {Progress::need_more, 0};
    scanned = 0;
    const std::string_view text = in.substr(0, size);
    if (has_folded_line(text)) return refuse(400, "BadRequest", "a header field is folded over lines");
    reader.emplace(sink, request, response);
    if (skip_body) reader->skip(true);
    error_code ec;
    const std::size_t used = reader->put(boost::asio::const_buffer(text.data(), text.size()), ec);
    if (ec || used != size || !reader->is_header_done()) {
      if (!sink.refusal) sink.refusal = explain(ec, text);
      return {Progress::refused, 0};
    }
    return {Progress::done, size};
  }

  ParseStep body(std::string_view in, std::string& out) {
    sink.out = &out;
    std::size_t consumed = 0;
    while (!reader->is_done()) {
      const std::string_view rest = in.substr(consumed);
      if (rest.empty()) return {Progress::need_more, consumed};
      // A chunked body ends in "0\r\n\r\n" or more. Beast asserts that length when it looks at a last chunk for the second
      // time, and would stop the process over one that arrives byte by byte.
      if (reader->chunked() && rest.size() < 5 && rest.starts_with('0')) return {Progress::need_more, consumed};
      error_code ec;
      const std::size_t used = reader->put(boost::asio::const_buffer(rest.data(), rest.size()), ec);
      consumed += used;
      if (ec == http::error::need_more) {
        if (in.size() - consumed > chunk_line_max) {
          refuse(400, "BadRequest", "the extensions or trailers of a chunk are too long");
          return {Progress::refused, consumed};
        }
        return {Progress::need_more, consumed};
      }
      if (ec) {
        if (!sink.refusal) sink.refusal = Refusal{400, "BadRequest", "the body's chunks are malformed"};
        return {Progress::refused, consumed};
      }
    }
    return {Progress::done, consumed};
  }

  void reset() {
    reader.reset();
    sink.headers = Headers{};
    sink.body_bytes = 0;
    sink.body_max = UINT64_MAX;
    sink.head_done = false;
    sink.refusal.reset();
    blank_bytes = 0;
    scanned = 0;
  }

  std::optional<std::uint64_t> content_length() const {
    const auto length = reader->content_length();
    return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
  }

  static bool has_folded_line(std::string_view text) {
    for (std::size_t at = text.find('\n'); at != std::string_view::npos && at + 1 < text.size();
         at = text.find('\n', at + 1)) {
      if (text[at + 1] == ' ' || text[at + 1] == '\t') return true;
    }
    return false;
  }

  static Refusal explain(const error_code& ec, std::string_view text) {
    if (ec == http::error::bad_version) {
      const std::string_view line = text.substr(0, text.find("\r\n"));
      const std::size_t at = line.rfind("HTTP/");
      const bool three_words = std::ranges::count(line, ' ') == 2;
      const bool some_version = three_words && at != std::string_view::npos && line.size() == at + 8 &&
                                line[at - 1] == ' ' && line[at + 6] == '.';
      if (some_version && is_request) return {505, "VersionNotSupported", "only HTTP/1.0 and HTTP/1.1 are spoken"};
      return {400, "BadRequest", "the start line is malformed"};
    }
    if (ec == http::error::bad_content_length || ec == http::error::multiple_content_length) {
      return {400, "BadRequest", "Content-Length is malformed or doubtful"};
    }
    if (ec == http::error::bad_transfer_encoding) return {400, "BadRequest", "Transfer-Encoding is doubtful"};
    if (ec == http::error::bad_method || ec == http::error::bad_target) {
      return {400, "BadRequest", "the start line is malformed"};
    }
    return {400, "BadRequest", "the header fields are malformed"};
  }
};

bool is_host(std::string_view host) {
  return std::ranges::all_of(host, [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("/?#@\\\"<>,^`{|}").find(c) == std::string_view::npos;
  });
}

bool is_plain_target(std::string_view target) {
  return std::ranges::all_of(target, [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("#\"<>\\^`{|}").find(c) == std::string_view::npos;
  });
}

}  // namespace

struct RequestParser::Impl {
  Driver<true> driver;
  Request request;
  bool expects_continue = false;

  // What the RFC asks of a request beyond its grammar.
  std::optional<Refusal> check() {
    const Headers& headers = request.headers;
    if (!is_plain_target(request.target)) return Refusal{400, "BadRequest", "the target holds a forbidden character"};
    if (!request.target.starts_with('/') && !(request.target == "*" && request.method == Method::options)) {
      const auto url = parse_url(request.target);
      if (!url) return Refusal{400, "BadRequest", "the target is neither a path nor an absolute URL"};
      request.target = url->target;
      request.headers.set("Host", url->origin.authority());
    }
    const std::size_t hosts = headers.count("Host");
    if (hosts > 1 || (hosts == 0 && driver.sink.http_1_1)) {
      return Refusal{400, "BadRequest", "exactly one Host field is needed"};
    }
    if (!is_host(headers.get("Host"))) return Refusal{400, "BadRequest", "Host is malformed"};
    expects_continue = false;
    if (const auto expect = headers.find("Expect"); expect && driver.sink.http_1_1) {
      if (!equal_ignoring_ascii_case(*expect, "100-continue")) {
        return Refusal{417, "ExpectationFailed", "no expectation but 100-continue is known"};
      }
      expects_continue = true;
    }
    return std::nullopt;
  }
};

RequestParser::RequestParser(ParserLimits limits) : impl_(std::make_unique<Impl>()) {
  impl_->driver.sink.limits = limits;
}
RequestParser::~RequestParser() = default;

ParseStep RequestParser::head(std::string_view in) {
  ParseStep step = impl_->driver.head(in, &impl_->request, nullptr, false);
  if (step.progress != Progress::done) return step;
  impl_->request.headers = std::move(impl_->driver.sink.headers);
  if (auto refusal = impl_->check()) {
    impl_->driver.sink.refusal = refusal;
    step.progress = Progress::refused;
  }
  return step;
}

ParseStep RequestParser::body(std::string_view in, std::string& out) { return impl_->driver.body(in, out); }

void RequestParser::next() {
  impl_->driver.reset();
  impl_->request = Request{};
  impl_->expects_continue = false;
}

void RequestParser::limit_body(std::uint64_t bytes_max) { impl_->driver.sink.body_max = bytes_max; }
Request& RequestParser::request() { return impl_->request; }
bool RequestParser::has_body() const { return !impl_->driver.reader->is_done(); }
std::optional<std::uint64_t> RequestParser::content_length() const { return impl_->driver.content_length(); }
bool RequestParser::keep_alive() const { return impl_->driver.reader->keep_alive(); }
bool RequestParser::http_1_0() const { return !impl_->driver.sink.http_1_1; }
bool RequestParser::expects_continue() const { return impl_->expects_continue; }

const Refusal& RequestParser::refusal() const {
  CHECK(impl_->driver.sink.refusal.has_value());
  return *impl_->driver.sink.refusal;
}

struct ResponseParser::Impl {
  Driver<false> driver;
  Response response;
  Method answers = Method::get;
};

ResponseParser::ResponseParser(ParserLimits limits) : impl_(std::make_unique<Impl>()) {
  impl_->driver.sink.limits = limits;
}
ResponseParser::~ResponseParser() = default;

void ResponseParser::begin(Method answers) {
  impl_->driver.reset();
  impl_->response = Response{};
  impl_->answers = answers;
}

ParseStep ResponseParser::head(std::string_view in) {
  const ParseStep step = impl_->driver.head(in, nullptr, &impl_->response, impl_->answers == Method::head);
  if (step.progress != Progress::done) return step;
  if (impl_->response.status < 200) {
    if (impl_->response.status == 101)
      return impl_->driver.refuse(400, "BadResponse", "an upgrade that nobody asked for");
    begin(impl_->answers);
    return {Progress::need_more, step.consumed};
  }
  impl_->response.headers = std::move(impl_->driver.sink.headers);
  return step;
}

ParseStep ResponseParser::body(std::string_view in, std::string& out) { return impl_->driver.body(in, out); }

bool ResponseParser::ends_at_close() {
  if (!impl_->driver.reader->need_eof()) return false;
  error_code ec;
  impl_->driver.reader->put_eof(ec);
  return !ec;
}

Response& ResponseParser::response() { return impl_->response; }
bool ResponseParser::has_body() const { return !impl_->driver.reader->is_done(); }
std::optional<std::uint64_t> ResponseParser::content_length() const { return impl_->driver.content_length(); }
bool ResponseParser::keep_alive() const { return impl_->driver.reader->keep_alive(); }

const Refusal& ResponseParser::refusal() const {
  CHECK(impl_->driver.sink.refusal.has_value());
  return *impl_->driver.sink.refusal;
}

}  // namespace chaveiro::net
