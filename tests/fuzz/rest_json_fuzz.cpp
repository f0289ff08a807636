// Fuzz target: bodies of the REST edge. The first byte chooses what is asked of the rest: a body against one of the request
// schemas, or a query. What is read must be written back as JSON that reads to the same, and no fault may be without its field.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/rest/input.h"
#include "api/rest/json.h"
#include "api/rest/schemas.h"

using namespace chaveiro;
using namespace chaveiro::api::rest;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

void read_json(std::string_view text) {
  const auto value = parse_json(text);
  if (!value) {
    must(value.error().code == Code::invalid && !value.error().violations.empty());
    for (const FieldViolation& fault : value.error().violations)
      must(!fault.field.empty() && !fault.description.empty());
    return;
  }
  const std::string written = to_text(*value);
  const auto again = parse_json(written);
  must(again && to_text(*again) == written);
}

void read_request(std::string_view text, const Schema& schema) {
  static const std::vector<Parameter> parameters{{.name = "page_size", .schema = &page_size_value()},
                                                 {.name = "page_token", .schema = &page_token_value()}};
  net::Request request;
  request.body = std::string(text);
  request.target = "/x?" + std::string(text.substr(0, text.find_first_of(" \r\n")));
  Input in(api::FieldRules{}, InputForm{&parameters, &schema}, request, {});
  for (const Property& property : schema.properties) (void)in.text(property.name);
  in.key("key", in.read("key_type", &api::Fields::key_type));
  for (std::size_t i = 0; i < in.items("lookups"); ++i)
    in.key(item_path("lookups", i) + ".key", in.read(item_path("lookups", i) + ".key_type", &api::Fields::key_type));
  in.read("opening_date", &api::Fields::may_time);
  in.read("owner.tax_id", &api::Fields::may_tax_id);
  const auto verdict = in.verdict();
  if (!verdict)
    for (const FieldViolation& fault : verdict.error().violations) must(!fault.field.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  read_json(text);
  static const Schema* const schemas[] = {
      &create_entry_schema(), &create_account_schema(), &lookup_batch_request_schema(), &update_entry_schema(),
      &start_claim_schema(),  &revoke_schema(),         &verify_audit_schema(),         &set_log_schema()};
  read_request(text, *schemas[data[0] % std::size(schemas)]);
  return 0;
}
