#include "events/domain_event.h"

#include <boost/json.hpp>

#include "base/encoding.h"
#include "base/text.h"
#include "events/topics.h"

namespace chaveiro::events {
namespace {

namespace json = boost::json;

constexpr std::string_view content_json = "application/json";

Error bad(std::string_view field, std::string_view what) {
  return fail(Code::invalid, "EventInvalid", std::string(field) + ": " + std::string(what));
}

void put_text(std::string& out, std::string_view name, std::string_view value) {
  out.append("\"").append(name).append("\":\"");
  append_json_escaped(out, value);
  out.append("\",");
}

std::string_view view_of(const json::string& text) { return {text.data(), text.size()}; }

Result<json::value> parse(std::string_view text) {
  if (text.size() > event_bytes_max) return bad("event", "is longer than 1 MiB");
  boost::system::error_code failed;
  json::parse_options options;
  options.max_depth = 32;
  json::value value = json::parse(json::string_view(text.data(), text.size()), failed, {}, options);
  if (failed) return bad("event", "is not JSON");
  return value;
}

Result<std::uint64_t> unsigned_of(const json::value& value, std::string_view field) {
  if (value.is_uint64()) return value.get_uint64();
  if (value.is_int64() && value.get_int64() >= 0) return static_cast<std::uint64_t>(value.get_int64());
  return bad(field, "must be a whole number that is not negative");
}

Result<void> take_metadata(const json::value& value, DomainEvent& event) {
  if (!value.is_object()) return bad("metadata", "must be an object");
  json::object rest;
  for (const json::key_value_pair& member : value.get_object()) {
    if (member.value().is_string())
      event.metadata.emplace_back(std::string(member.key()), std::string(view_of(member.value().get_string())));
    else
      rest.emplace(member.key(), member.value());
  }
  if (!rest.empty()) event.unknown.emplace_back("metadata", json::serialize(rest));
  return {};
}

Result<void> take_field(std::string_view name, const json::value& value, DomainEvent& event) {
  if (name == "data") {
    if (!value.is_object()) return bad(name, "must be an object");
    event.data = json::serialize(value);
    return {};
  }
  if (name == "metadata") return value.is_null() ? Result<void>{} : take_metadata(value, event);
  if (name == "version" || name == "previous_version" || name == "schema_version") {
    TRY(const std::uint64_t number, unsigned_of(value, name));
    if (name == "version") event.version = number;
    if (name == "previous_version") event.previous_version = number;
    if (name == "schema_version") {
      if (number > UINT32_MAX) return bad(name, "is too great");
      event.schema_version = static_cast<std::uint32_t>(number);
    }
    return {};
  }
  const bool known = name == "event_id" || name == "event_type" || name == "aggregate_id" || name == "aggregate_type" ||
                     name == "timestamp";
  if (!known) {
    event.unknown.emplace_back(std::string(name), json::serialize(value));
    return {};
  }
  if (!value.is_string()) return bad(name, "must be a text");
  const std::string_view text = view_of(value.get_string());
  if (name == "event_id") {
    const auto id = Uuid::parse(text);
    if (!id) return bad(name, "must be a UUID");
    event.event_id = *id;
  } else if (name == "timestamp") {
    const auto time = parse_rfc3339(text);
    if (!time) return bad(name, "must be a time as in 2026-01-31T03:00:00.123Z");
    event.timestamp = *time;
  } else if (name == "event_type") {
    event.event_type = text;
  } else if (name == "aggregate_id") {
    event.aggregate_id = text;
  } else {
    event.aggregate_type = text;
  }
  return {};
}

}  // namespace

std::string to_json(const DomainEvent& event) {
  std::string out;
  out.reserve(event.data.size() + 512);
  out.push_back('{');
  put_text(out, "event_id", to_string(event.event_id));
  put_text(out, "event_type", event.event_type);
  put_text(out, "aggregate_id", event.aggregate_id);
  put_text(out, "aggregate_type", event.aggregate_type);
  put_text(out, "timestamp", to_rfc3339(event.timestamp));
  out.append("\"version\":").append(std::to_string(event.version));
  out.append(",\"previous_version\":").append(std::to_string(event.previous_version));
  out.append(",\"schema_version\":").append(std::to_string(event.schema_version));
  out.append(",\"data\":").append(event.data).append(",\"metadata\":{");
  for (const auto& [name, value] : event.metadata) {
    out.append(to_json_string(name)).append(":").append(to_json_string(value)).push_back(',');
  }
  for (const auto& [name, raw] : event.unknown) {
    if (name != "metadata" || raw.size() <= 2) continue;
    out.append(raw, 1, raw.size() - 2).push_back(',');
  }
  if (out.back() == ',') out.pop_back();
  out.push_back('}');
  for (const auto& [name, raw] : event.unknown) {
    if (name != "metadata") out.append(",").append(to_json_string(name)).append(":").append(raw);
  }
  out.push_back('}');
  return out;
}

Result<DomainEvent> parse_event(std::string_view text) {
  TRY(const json::value value, parse(text));
  if (!value.is_object()) return bad("event", "must be an object");
  DomainEvent event;
  for (const json::key_value_pair& member : value.get_object())
    TRY_VOID(take_field({member.key().data(), member.key().size()}, member.value(), event));
  if (event.event_id.is_nil()) return bad("event_id", "is missing");
  if (event.event_type.empty()) return bad("event_type", "is missing");
  if (event.aggregate_id.empty()) return bad("aggregate_id", "is missing");
  if (event.previous_version != 0 && event.previous_version >= event.version)
    return bad("previous_version", "must be less than version");
  return event;
}

Message to_message(const DomainEvent& event) {
  Message message;
  message.key = event.aggregate_id;
  message.body = to_json(event);
  message.event_time = event.timestamp;
  message.headers.reserve(6);
  message.headers.emplace_back(headers::event_id, to_string(event.event_id));
  message.headers.emplace_back(headers::event_type, event.event_type);
  message.headers.emplace_back(headers::aggregate_id, event.aggregate_id);
  message.headers.emplace_back(headers::version, std::to_string(event.version));
  message.headers.emplace_back(headers::content_type, content_json);
  if (const std::string_view trace = event.meta(headers::traceparent); !trace.empty())
    message.headers.emplace_back(headers::traceparent, trace);
  return message;
}

Result<DomainEvent> event_of(const Message& message) {
  const std::string_view type = header(message.headers, headers::content_type);
  if (type.empty() || type == content_json) return parse_event(message.body);
  DomainEvent event;
  const auto id = Uuid::parse(header(message.headers, headers::event_id));
  if (!id) return bad("event_id", "the header is missing or no UUID");
  event.event_id = *id;
  event.event_type = header(message.headers, headers::event_type);
  if (event.event_type.empty()) return bad("event_type", "the header is missing");
  event.aggregate_id = header(message.headers, headers::aggregate_id);
  if (event.aggregate_id.empty()) event.aggregate_id = message.key;
  if (event.aggregate_id.empty()) return bad("aggregate_id", "neither the header nor the key tells it");
  if (const std::string_view version = header(message.headers, headers::version); !version.empty()) {
    const auto number = parse_uint(version);
    if (!number) return bad("version", "the header is no number");
    event.version = *number;
  }
  event.timestamp = message.event_time;
  event.metadata.emplace_back(headers::content_type, type);
  event.data = std::move(DataText().text("body", to_base64(as_bytes(message.body)))).take();
  return event;
}

void DataText::field(std::string_view name) {
  if (out_.size() > 1) out_.push_back(',');
  out_.append("\"").append(name).append("\":");
}

DataText& DataText::text(std::string_view name, std::string_view value) {
  field(name);
  out_.push_back('"');
  append_json_escaped(out_, value);
  out_.push_back('"');
  return *this;
}

DataText& DataText::number(std::string_view name, std::uint64_t value) {
  field(name);
  out_.append(std::to_string(value));
  return *this;
}

DataText& DataText::flag(std::string_view name, bool value) {
  field(name);
  out_.append(value ? "true" : "false");
  return *this;
}

std::string DataText::take() && {
  out_.push_back('}');
  return std::move(out_);
}

Result<std::string> data_text(const DomainEvent& event, std::string_view name) {
  TRY(const json::value value, parse(event.data));
  if (!value.is_object()) return bad("data", "must be an object");
  const json::value* const found = value.get_object().if_contains(json::string_view(name.data(), name.size()));
  if (found == nullptr || found->is_null()) return std::string();
  if (!found->is_string()) return bad(std::string("data.") + std::string(name), "must be a text");
  return std::string(view_of(found->get_string()));
}

}  // namespace chaveiro::events
