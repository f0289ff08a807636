#include "vsync/sync_answers.h"

#include <algorithm>

namespace chaveiro::vsync {

std::string_view to_string(Agreement agreement) { return agreement == Agreement::in_sync ? "OK" : "NOK"; }

std::optional<Agreement> agreement_of(std::string_view text) {
  if (text == "OK") return Agreement::in_sync;
  if (text == "NOK") return Agreement::diverging;
  return std::nullopt;
}

Result<SyncAnswer> sync_answer_of(const events::DomainEvent& event) {
  TRY(const std::string participant, events::data_text(event, "participant"));
  TRY(const std::string key_type, events::data_text(event, "key_type"));
  TRY(const std::string result, events::data_text(event, "result"));
  TRY(const std::string vsync, events::data_text(event, "vsync"));
  TRY(const std::string verified_at, events::data_text(event, "verified_at"));
  SyncAnswer answer;
  const auto ispb = directory::Ispb::parse(participant);
  if (!ispb) return fail_field("data.participant", ispb.error().message);
  answer.participant = *ispb;
  const auto type = directory::key_type_of(key_type);
  if (!type) return fail_field("data.key_type", "must be CPF, CNPJ, EMAIL, PHONE or EVP");
  answer.key_type = *type;
  const auto agreement = agreement_of(result);
  if (!agreement) return fail_field("data.result", "must be OK or NOK");
  answer.agreement = *agreement;
  const auto bytes = parse_hex(vsync);
  if (!bytes || bytes->size() != answer.vsync.size()) return fail_field("data.vsync", "must be 64 hexadecimal digits");
  std::copy(bytes->begin(), bytes->end(), answer.vsync.begin());
  answer.verified_at = event.timestamp;
  if (!verified_at.empty()) {
    const auto time = parse_rfc3339(verified_at);
    if (!time) return fail_field("data.verified_at", time.error().message);
    answer.verified_at = *time;
  }
  return answer;
}

}  // namespace chaveiro::vsync
