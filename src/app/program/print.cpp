#include "app/program/print.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

#include "base/clock.h"

namespace chaveiro::app {
namespace {

namespace pb = google::protobuf;

struct Cell {
  std::string name;
  std::string text;
};
using Row = std::vector<Cell>;

// KEY_TYPE_CPF of enum KeyType → CPF
std::string enum_text(const pb::EnumValueDescriptor& value) {
  std::string prefix;
  for (const char c : value.type()->name()) {
    if (c >= 'A' && c <= 'Z' && !prefix.empty()) prefix += '_';
    prefix += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  prefix += '_';
  const std::string& name = value.name();
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

std::string moment_text(const pb::Message& message) {
  pb::Timestamp stamp;
  stamp.CopyFrom(message);
  return to_rfc3339(UtcTime{std::chrono::seconds{stamp.seconds()} + std::chrono::microseconds{stamp.nanos() / 1000}});
}

std::string scalar_text(const pb::Message& message, const pb::FieldDescriptor& field, int index) {
  const pb::Reflection& reflection = *message.GetReflection();
  const bool many = field.is_repeated();
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_STRING:
      return many ? reflection.GetRepeatedString(message, &field, index) : reflection.GetString(message, &field);
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      return enum_text(many ? *reflection.GetRepeatedEnum(message, &field, index)
                            : *reflection.GetEnum(message, &field));
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "yes" : "no";
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return std::to_string(reflection.GetInt32(message, &field));
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return std::to_string(reflection.GetInt64(message, &field));
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(reflection.GetUInt32(message, &field));
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return std::to_string(reflection.GetUInt64(message, &field));
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return std::to_string(reflection.GetDouble(message, &field));
    default:
      return "";
  }
}

void flatten(const pb::Message& message, const std::string& prefix, Row& row);

void flatten_field(const pb::Message& message, const pb::FieldDescriptor& field, const std::string& name, Row& row) {
  const pb::Reflection& reflection = *message.GetReflection();
  if (field.cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE)
    return row.push_back({name, scalar_text(message, field, 0)});
  const pb::Message& inner = reflection.GetMessage(message, &field);
  if (inner.GetDescriptor()->full_name() == "google.protobuf.Timestamp")
    return row.push_back({name, moment_text(inner)});
  flatten(inner, name + ".", row);
}

void flatten(const pb::Message& message, const std::string& prefix, Row& row) {
  const pb::Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const pb::FieldDescriptor& field = *message.GetDescriptor()->field(i);
    const std::string name = prefix + field.name();
    if (!field.is_repeated()) {
      const bool numbers_always = prefix.empty() && field.cpp_type() != pb::FieldDescriptor::CPPTYPE_STRING &&
                                  field.cpp_type() != pb::FieldDescriptor::CPPTYPE_ENUM && !field.has_presence();
      if (reflection.HasField(message, &field) || numbers_always) flatten_field(message, field, name, row);
    } else if (field.cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) {
      std::string all;
      for (int k = 0; k < reflection.FieldSize(message, &field); ++k)
        all += (k > 0 ? ", " : "") + scalar_text(message, field, k);
      if (!all.empty()) row.push_back({name, all});
    }
  }
}

// Columns stand in characters, not bytes.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, width_of(text)), ' ');
}

std::string table_of(const std::vector<Row>& rows) {
  std::vector<std::string> names;
  for (const Row& row : rows) {
    for (const Cell& cell : row) {
      if (!cell.text.empty() && std::ranges::find(names, cell.name) == names.end()) names.push_back(cell.name);
    }
  }
  const auto text_of = [](const Row& row, const std::string& name) {
    const auto found = std::ranges::find(row, name, &Cell::name);
    return found == row.end() ? std::string() : found->text;
  };
  std::vector<std::size_t> widths;
  for (const std::string& name : names) {
    std::size_t width = name.size();
    for (const Row& row : rows) width = std::max(width, width_of(text_of(row, name)));
    widths.push_back(width);
  }
  std::string out;
  const auto line = [&](auto&& cell_of) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) text += padded(cell_of(i), widths[i]) + "  ";
    while (!text.empty() && text.back() == ' ') text.pop_back();
    out += text + "\n";
  };
  line([&](std::size_t i) { return names[i]; });
  for (const Row& row : rows) line([&](std::size_t i) { return text_of(row, names[i]); });
  return out;
}

const char* advice(const Error& error) {
  switch (error.code) {
    case Code::unauthenticated:
      return "give a token with --token or CHAVEIRO_TOKEN, or run on the server's machine with --data FOLDER";
    case Code::unavailable:
      return "is the server running there? start it with `chaveiro serve`, or name another with --server HOST:PORT";
    case Code::exhausted:
      return "wait and try again";
    case Code::maybe_applied:
      return "it may have happened: look before you repeat it, or repeat it with the same --request-id";
    default:
      return nullptr;
  }
}

}  // namespace

std::string to_json(const pb::Message& message) {
  std::string text;
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (!pb::util::MessageToJsonString(message, &text, options).ok()) return "{}";
  return text;
}

std::string for_people(const pb::Message& message) {
  Row row;
  flatten(message, "", row);
  std::string out;
  std::size_t width = 0;
  for (const Cell& cell : row) width = std::max(width, cell.name.size());
  const pb::Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const pb::FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (!field.is_repeated() || field.cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    std::vector<Row> rows;
    for (int k = 0; k < reflection.FieldSize(message, &field); ++k) {
      flatten(reflection.GetRepeatedMessage(message, &field, k), "", rows.emplace_back());
    }
    if (!rows.empty()) out += table_of(rows);
  }
  if (!out.empty() && !row.empty()) out += "\n";
  for (const Cell& cell : row) {
    if (!cell.text.empty()) out += padded(cell.name, width) + "  " + cell.text + "\n";
  }
  return out.empty() ? "(nothing)\n" : out;
}

std::string for_people(const Error& error) {
  std::string out = "error: " + error.message;
  if (!error.reason.empty()) out += " (" + error.reason + ")";
  out += "\n";
  for (const FieldViolation& violation : error.violations) {
    const std::string line = violation.field + ": " + violation.description;
    if (line != error.message) out += "  " + line + "\n";
  }
  if (error.retry_after)
    out += "  try again in " + to_string(std::chrono::duration_cast<Micros>(*error.retry_after)) + "\n";
  if (const char* text = advice(error)) out += std::string("  ") + text + "\n";
  return out;
}

std::string to_json(const Error& error) {
  boost::json::array violations;
  for (const FieldViolation& violation : error.violations) {
    violations.push_back({{"field", violation.field}, {"description", violation.description}});
  }
  boost::json::object object{{"code", to_string(error.code)},
                             {"reason", error.reason},
                             {"message", error.message},
                             {"violations", std::move(violations)}};
  if (error.retry_after) object["retry_after_ms"] = error.retry_after->count();
  return boost::json::serialize(boost::json::object{{"error", std::move(object)}});
}

}  // namespace chaveiro::app
