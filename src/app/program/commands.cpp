#include "app/program/commands.h"

#include "base/clock.h"
#include "directory/key.h"

namespace chaveiro::app {

namespace common = dict::common::v1;

void action(Session& session, CLI::App& command, std::function<int(Client&, const Output&)> run) {
  command.callback([&session, run = std::move(run)] {
    session.action = [&session, run] {
      return session.with_client([&](Client& client) { return run(client, session.output); });
    };
  });
}

std::optional<Error> set_time(const std::string& text, const char* option, google::protobuf::Timestamp& to) {
  if (text.empty()) return std::nullopt;
  const auto time = parse_rfc3339(text);
  if (!time) return fail_field(option, time.error().message);
  const std::int64_t micros = time->time_since_epoch().count();
  to.set_seconds(micros / 1'000'000);
  to.set_nanos(static_cast<std::int32_t>(micros % 1'000'000) * 1000);
  return std::nullopt;
}

const std::vector<std::string> key_types{"CPF", "CNPJ", "EMAIL", "PHONE", "EVP"};
const std::vector<std::string> reasons{"USER_REQUESTED", "ACCOUNT_CLOSURE", "BRANCH_TRANSFER",  "RECONCILIATION",
                                       "FRAUD",          "RFB_VALIDATION",  "DEFAULT_OPERATION"};

common::KeyType key_type_of(const std::string& type, const std::string& key) {
  std::string name = type;
  if (name.empty()) {
    if (const auto guessed = directory::guess_key_type(key)) name = to_string(*guessed);
  }
  return enum_of<common::KeyType>("KEY_TYPE_", name, common::KeyType_Parse);
}

common::Reason reason_of(const std::string& text) {
  return enum_of<common::Reason>("REASON_", text, common::Reason_Parse);
}

void set_key(common::DictKey& to, const std::string& type, const std::string& key) {
  to.set_key_type(key_type_of(type, key));
  to.set_key_value(key);
}

void KeyOptions::add_to(CLI::App& command, bool needed) {
  command.add_option("key", key, "the key; people's spelling is accepted (dots, spaces, capitals)")->required(needed);
  command.add_option("--type", type, "CPF, CNPJ, EMAIL, PHONE or EVP; told from its form where left out")
      ->check(CLI::IsMember(key_types));
}

void PageOptions::add_to(CLI::App& command) {
  command.add_option("--page-size", size, "items a page (20; at most 200)");
  command.add_option("--page-token", token, "next_page_token of the page before");
}

}  // namespace chaveiro::app
