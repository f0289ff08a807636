#include "net/http.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace chaveiro::net {
namespace {

constexpr std::size_t query_pairs_max = 100;

struct MethodName {
  Method method;
  std::string_view name;
};
constexpr std::array<MethodName, 7> method_names{{{Method::get, "GET"},
                                                  {Method::head, "HEAD"},
                                                  {Method::post, "POST"},
                                                  {Method::put, "PUT"},
                                                  {Method::patch, "PATCH"},
                                                  {Method::del, "DELETE"},
                                                  {Method::options, "OPTIONS"}}};

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_unreserved(char c) { return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~'; }
bool is_token_character(char c) {
  return is_letter_or_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool is_token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_token_character); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_field_value(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return is_control(c) && c != '\t'; });
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Error broken_escape() { return fail(Code::invalid, "BadRequest", "'%' is not followed by two hexadecimal digits"); }

enum class Plus { literal, space };

Result<std::string> decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return broken_escape();
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return broken_escape();
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

Result<std::string> decode_parameter(std::string_view text) {
  TRY(std::string decoded, decode(text, Plus::space));
  if (!valid_utf8(decoded)) return fail(Code::invalid, "BadRequest", "the query is not UTF-8");
  if (std::ranges::any_of(decoded, is_control)) {
    return fail(Code::invalid, "BadRequest", "the query holds a control character");
  }
  return decoded;
}

Error bad_url(std::string_view what) {
  return fail(Code::invalid, "BadRequest", "the URL is not usable: " + std::string(what));
}

bool is_host_name(std::string_view host) {
  return !host.empty() && host.size() <= 253 &&
         std::ranges::all_of(host, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_'; });
}
bool is_ipv6_text(std::string_view host) {
  return host.find(':') != std::string_view::npos && host.size() <= 45 &&
         std::ranges::all_of(host, [](char c) { return hex_digit(c) >= 0 || c == ':' || c == '.'; });
}

Result<Origin> parse_authority(std::string_view authority, bool tls) {
  Origin origin{tls, {}, static_cast<std::uint16_t>(tls ? 443 : 80)};
  std::string_view port;
  bool has_port = false;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return bad_url("'[' without ']'");
    origin.host = authority.substr(1, end - 1);
    if (!is_ipv6_text(origin.host)) return bad_url("no address between the brackets");
    const std::string_view rest = authority.substr(end + 1);
    if (!rest.empty() && rest[0] != ':') return bad_url("something stands behind the brackets");
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else {
    const std::size_t colon = authority.find(':');
    origin.host = authority.substr(0, colon);
    if (!is_host_name(origin.host)) return bad_url("no host name");
    has_port = colon != std::string_view::npos;
    if (has_port) port = authority.substr(colon + 1);
  }
  if (has_port) {
    const auto number = parse_uint(port, 65'535);
    if (!number || *number == 0) return bad_url("no port between 1 and 65535");
    origin.port = static_cast<std::uint16_t>(*number);
  }
  return origin;
}

}  // namespace

std::string_view to_string(Method method) {
  for (const MethodName& entry : method_names) {
    if (entry.method == method) return entry.name;
  }
  return "GET";
}

std::optional<Method> method_from(std::string_view text) {
  for (const MethodName& entry : method_names) {
    if (entry.name == text) return entry.method;
  }
  return std::nullopt;
}

bool is_safe(Method method) { return method == Method::get || method == Method::head || method == Method::options; }
bool is_idempotent(Method method) { return method != Method::post && method != Method::patch; }

Headers::Headers(std::initializer_list<Field> fields) {
  for (const Field& field : fields) add(field.name, field.value);
}

bool Headers::add(std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_field_value(value)) return false;
  if (places_.size() >= fields_max || text_.size() + name.size() + value.size() > bytes_max) return false;
  if (places_.empty()) {
    places_.reserve(8);
    text_.reserve(256);
  }
  Place place;
  place.name = static_cast<std::uint32_t>(text_.size());
  place.value = static_cast<std::uint32_t>(place.name + name.size());
  place.end = static_cast<std::uint32_t>(place.value + value.size());
  text_.append(name).append(value);
  places_.push_back(place);
  return true;
}

bool Headers::set(std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_field_value(value)) return false;
  if (!find(name)) return add(name, value);
  const std::string name_copy(name);
  const std::string value_copy(value);  // both may be views of this very object
  Headers kept = *this;
  kept.remove(name_copy);
  if (!kept.add(name_copy, value_copy)) return false;
  *this = std::move(kept);
  return true;
}

void Headers::remove(std::string_view name) {
  if (!find(name)) return;
  Headers kept;
  for (std::size_t i = 0; i < size(); ++i) {
    const Field field = (*this)[i];
    if (!equal_ignoring_ascii_case(field.name, name)) kept.add(field.name, field.value);
  }
  *this = std::move(kept);
}

void Headers::clear() {
  text_.clear();
  places_.clear();
}

Headers::Field Headers::operator[](std::size_t index) const {
  CHECK(index < places_.size());
  const Place& place = places_[index];
  const std::string_view text(text_);
  return {text.substr(place.name, place.value - place.name), text.substr(place.value, place.end - place.value)};
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].value - places_[i].name != name.size()) continue;
    const Field field = (*this)[i];
    if (equal_ignoring_ascii_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::size_t Headers::count(std::string_view name) const {
  std::size_t found = 0;
  for (std::size_t i = 0; i < size(); ++i) found += equal_ignoring_ascii_case((*this)[i].name, name) ? 1 : 0;
  return found;
}

bool Headers::lists(std::string_view name, std::string_view member) const {
  for (std::size_t i = 0; i < size(); ++i) {
    const Field field = (*this)[i];
    if (!equal_ignoring_ascii_case(field.name, name)) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      std::string_view item = rest.substr(0, comma);
      item = trim(item.substr(0, item.find(';')));
      if (equal_ignoring_ascii_case(item, member)) return true;
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
  }
  return false;
}

std::optional<std::string_view> Parameters::find(std::string_view name) const {
  for (const auto& [key, value] : items_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Parameters::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : items_) {
    if (key == name) values.emplace_back(value);
  }
  return values;
}

std::string_view Request::path() const {
  const std::string_view text(target);
  return text.substr(0, text.find('?'));
}

std::string_view Request::query() const {
  const std::string_view text(target);
  const std::size_t mark = text.find('?');
  return mark == std::string_view::npos ? std::string_view{} : text.substr(mark + 1);
}

Result<Parameters> Request::parameters() const { return parse_query(query()); }

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

Response text_response(int status, std::string body) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body)};
}

Response json_response(int status, std::string body) {
  return {status, {{"Content-Type", "application/json"}}, std::move(body)};
}

Response problem_response(int status, std::string_view reason, std::string_view detail) {
  std::string body = R"({"type":)" + to_json_string("urn:chaveiro:error:" + std::string(reason));
  body += R"(,"title":)" + to_json_string(reason_phrase(status));
  body += R"(,"status":)" + std::to_string(status);
  body += R"(,"detail":)" + to_json_string(detail) + "}";
  return {status, {{"Content-Type", "application/problem+json"}}, std::move(body)};
}

Result<std::string> percent_decode(std::string_view text) { return decode(text, Plus::literal); }

std::string percent_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

Result<Parameters> parse_query(std::string_view query) {
  Parameters parameters;
  while (!query.empty()) {
    if (parameters.items().size() == query_pairs_max) {
      return fail(Code::invalid, "BadRequest", "the query has more than 100 parameters");
    }
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
    const std::size_t equals = pair.find('=');
    TRY(std::string name, decode_parameter(pair.substr(0, equals)));
    if (name.empty()) return fail(Code::invalid, "BadRequest", "a parameter of the query has no name");
    const std::string_view raw = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    TRY(std::string value, decode_parameter(raw));
    parameters.add(std::move(name), std::move(value));
  }
  return parameters;
}

std::string format_query(const Parameters& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters.items()) {
    if (!out.empty()) out += '&';
    out += percent_encode(name) + '=' + percent_encode(value);
  }
  return out;
}

std::string Origin::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : '[' + host + ']';
  if (port != (tls ? 443 : 80)) out += ':' + std::to_string(port);
  return out;
}

std::string Origin::to_string() const {
  const std::string shown = host.find(':') == std::string::npos ? host : '[' + host + ']';
  return (tls ? "https://" : "http://") + shown + ':' + std::to_string(port);
}

Result<Url> parse_url(std::string_view text) {
  bool tls = false;
  if (text.starts_with("http://")) {
    text.remove_prefix(7);
  } else if (text.starts_with("https://")) {
    text.remove_prefix(8);
    tls = true;
  } else {
    return bad_url("it begins with neither http:// nor https://");
  }
  if (std::ranges::any_of(text, [](char c) { return c <= ' ' || c >= 0x7f; })) {
    return bad_url("it holds a space, a control character or one outside ASCII");
  }
  if (text.find('#') != std::string_view::npos) return bad_url("it has a fragment");
  const std::size_t slash = text.find_first_of("/?");
  const std::string_view authority = text.substr(0, slash);
  if (authority.find('@') != std::string_view::npos) return bad_url("it holds a user name");
  Url url;
  TRY(url.origin, parse_authority(authority, tls));
  if (slash != std::string_view::npos) {
    url.target = text.substr(slash);
    if (url.target.starts_with('?')) url.target.insert(0, 1, '/');
  }
  return url;
}

}  // namespace chaveiro::net
