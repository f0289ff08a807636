// app/program/commands.h
//
// What commands that ask the server share: options that outlive the parsing, the action of a command, and what people write (a key, a
// reason, a time, a page) as a message.
//
// Threads: one.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/program/session.h"

namespace chaveiro::app {

// CLI11 writes into them when the line is parsed, the action reads them later: they live as long as the program.
template <class T>
T& kept() {
  static std::vector<std::unique_ptr<T>> all;
  return *all.emplace_back(std::make_unique<T>());
}

// Where `command` was given, `run` is called with a connected client; it answers the exit code.
void action(Session& session, CLI::App& command, std::function<int(Client&, const Output&)> run);

// An action that sends one message which only an id goes into.
template <class Request, class Method>
void by_id(Session& session, CLI::App& group, const char* name, const char* help, const char* what,
           void (*set)(Request&, const std::string&), Method method) {
  auto& id = kept<std::string>();
  CLI::App* command = group.add_subcommand(name, help);
  command->add_option("id", id, std::string("id of the ") + what)->required();
  action(session, *command, [&id, set, method](Client& client, const Output& output) {
    Request request;
    set(request, id);
    return client.call(client.core(), method, request, output);
  });
}

// RFC 3339; "" leaves `to` as it is.
std::optional<Error> set_time(const std::string& text, const char* option, google::protobuf::Timestamp& to);

// 0 where the text is empty; options check the names.
template <class Enum, class Parse>
Enum enum_of(const std::string& prefix, const std::string& text, Parse parse) {
  Enum value{};
  if (!text.empty()) parse(prefix + text, &value);
  return value;
}

extern const std::vector<std::string> key_types, reasons;
// Told from the key's form where `type` is empty.
dict::common::v1::KeyType key_type_of(const std::string& type, const std::string& key);
dict::common::v1::Reason reason_of(const std::string& text);
void set_key(dict::common::v1::DictKey& to, const std::string& type, const std::string& key);

struct KeyOptions {
  std::string key, type;
  void add_to(CLI::App& command, bool needed);
};

struct PageOptions {
  std::int32_t size = 0;
  std::string token;
  void add_to(CLI::App& command);
  template <class Request>
  void put(Request& request) const {
    request.set_page_size(size);
    request.set_page_token(token);
  }
};

}  // namespace chaveiro::app
