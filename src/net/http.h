// net/http.h
//
// The words of HTTP/1.1 as values: method, headers, request, response, query. What the server hands to a handler and
// takes back, and what the client sends and answers with. No sockets here.
//
// Threads: plain values; no sharing inside.
// Errors:  invalid, from the functions that read text.
// Source:  RFC 9110 (semantics), RFC 9112 (HTTP/1.1), RFC 3986 (percent-encoding), RFC 9457 (problem details).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace chaveiro::net {

class BodyReader;

// The methods that the platform speaks; the server answers 501 to any other.
enum class Method : std::uint8_t { get, head, post, put, patch, del, options };

std::string_view to_string(Method method);                 // "GET", …, "DELETE"
std::optional<Method> method_from(std::string_view text);  // exact, as the RFC wants: "get" is no method
bool is_safe(Method method);                               // changes nothing: GET, HEAD, OPTIONS
bool is_idempotent(Method method);                         // may be repeated: all but POST and PATCH

// Header fields in the order in which they came; names are compared without regard to case. One block of text and one
// of positions, however many fields there are. Bounded: at most `fields_max` fields and `bytes_max` of names and
// values.
class Headers {
 public:
  static constexpr std::size_t fields_max = 256;
  static constexpr std::size_t bytes_max = 64 * 1024;

  struct Field {
    std::string_view name;
    std::string_view value;
  };

  Headers() = default;
  Headers(std::initializer_list<Field> fields);

  // Appends a field. False, and nothing happens, when the name is no token, the value holds a control character (so
  // that no value can end its line and begin another field) or a bound is reached.
  bool add(std::string_view name, std::string_view value);
  // The same, in place of all fields of that name.
  bool set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  void clear();

  // The first field of that name; nothing when there is none. Views are good until the next change.
  std::optional<std::string_view> find(std::string_view name) const;
  std::string_view get(std::string_view name, std::string_view otherwise = {}) const {
    return find(name).value_or(otherwise);
  }
  std::size_t count(std::string_view name) const;
  // Whether a comma-separated list field ("Connection", "Accept-Encoding") names this member; parameters are ignored.
  bool lists(std::string_view name, std::string_view member) const;

  std::size_t size() const { return places_.size(); }
  bool empty() const { return places_.empty(); }
  Field operator[](std::size_t index) const;
  std::size_t bytes() const { return text_.size(); }

 private:
  struct Place {
    std::uint32_t name = 0;
    std::uint32_t value = 0;
    std::uint32_t end = 0;
  };
  std::string text_;
  std::vector<Place> places_;
};

// Decoded parameters of a query, in their order; a name may come more than once.
class Parameters {
 public:
  void add(std::string name, std::string value) { items_.emplace_back(std::move(name), std::move(value)); }
  // The first of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

struct Peer {
  std::string address;  // numeric, without port
  std::uint16_t port = 0;
  bool tls = false;
  bool verified = false;  // showed a client certificate that our client CA signed
  std::string subject;    // RFC 2253 text of that certificate's subject; empty unless verified
};

struct Request {
  Method method = Method::get;
  std::string target = "/";  // as on the wire: path, and query behind '?'
  Headers headers;
  std::string body;  // whole body, unless it is streamed
  // Server only. Set when the body is streamed (see net/server.h); `body` is then empty.
  std::shared_ptr<BodyReader> stream;
  Peer peer;  // server only

  std::string_view path() const;   // still percent-encoded
  std::string_view query() const;  // without '?'; empty when there is none
  // Errors: invalid, as parse_query.
  Result<Parameters> parameters() const;
};

struct Response {
  int status = 200;
  // Content-Length, Transfer-Encoding, Connection and Date are made by whoever sends it; given here they are ignored.
  Headers headers;
  std::string body;
};

std::string_view reason_phrase(int status);  // "Not Found"; "Unknown" for what no RFC names

Response text_response(int status, std::string body);
Response json_response(int status, std::string body);
// RFC 9457. `type` ends in `reason`; detail holds no personal data.
Response problem_response(int status, std::string_view reason, std::string_view detail);

// %XX and nothing else: '+' stays '+', a lone '%' is an error.
Result<std::string> percent_decode(std::string_view text);
// All but RFC 3986's unreserved characters.
std::string percent_encode(std::string_view text);

// name=value pairs between '&'; '+' is a space. At most 100 pairs.
// Errors: invalid (broken escape, empty name, control character, not UTF-8, too many).
Result<Parameters> parse_query(std::string_view query);
std::string format_query(const Parameters& parameters);

// Where a client connects to.
struct Origin {
  bool tls = false;
  std::string host;  // name or numeric address, without brackets
  std::uint16_t port = 80;

  std::string authority() const;  // as the Host field wants it: the port only when it is not the usual one
  std::string to_string() const;  // "https://host:port"
  bool operator==(const Origin&) const = default;
};

struct Url {
  Origin origin;
  std::string target = "/";  // path and query
};

// "http://host[:port][/path][?query]" or https. User names, fragments and other schemes are refused.
// Errors: invalid.
Result<Url> parse_url(std::string_view text);

}  // namespace chaveiro::net
