#include "directory/lookups.h"

#include <algorithm>

#include "base/mask.h"
#include "directory/names.h"

namespace chaveiro::directory {
namespace {

constexpr Names<LookupSource, 3> sources{
    {{LookupSource::memory, "memory"}, {LookupSource::store, "store"}, {LookupSource::registry, "registry"}}};

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool payer_id_holds(std::string_view text) {
  return (text.size() == 11 || text.size() == 14) && std::all_of(text.begin(), text.end(), digit);
}

// The identification of a payment order in pacs.008: at most 35 characters.
bool end_to_end_id_holds(std::string_view text) {
  return !text.empty() && text.size() <= 35 &&
         std::all_of(text.begin(), text.end(), [](char c) { return digit(c) || letter(c); });
}

// Faults of what the caller says about the payment order.
enum class Needs : std::uint8_t { nothing, both };
Result<void> check_payment(const LookupRequest& request, Needs needs) {
  std::vector<FieldViolation> faults;
  if (!request.payer_id && needs == Needs::both) {
    faults.push_back({"PI-PayerId", "must be given for a key that is not our own: CPF or CNPJ of the payer"});
  } else if (request.payer_id && !payer_id_holds(*request.payer_id)) {
    faults.push_back({"PI-PayerId", "must be the 11 digits of a CPF or the 14 digits of a CNPJ"});
  }
  if (!request.end_to_end_id && needs == Needs::both) {
    faults.push_back({"PI-EndToEndId", "must be given for a key that is not our own: the id of the payment order"});
  } else if (request.end_to_end_id && !end_to_end_id_holds(*request.end_to_end_id)) {
    faults.push_back({"PI-EndToEndId", "must be 1 to 35 letters and digits"});
  }
  if (faults.empty()) return {};
  Error error = fail(Code::invalid, "BadRequest", "the look-up cannot be made as it is:");
  for (const auto& fault : faults) error.message += " " + fault.field + " " + fault.description + ";";
  error.message.pop_back();
  error.violations = std::move(faults);
  return error;
}

// The entry itself, or why it is not shown.
Result<Entry> own(Entry entry) {
  switch (entry.status) {
    case EntryStatus::active:
      return entry;
    case EntryStatus::blocked:
      return fail(Code::conflict, "EntryBlocked", "the entry is blocked by a court order and cannot be queried");
    case EntryStatus::pending:  // not registered yet
    case EntryStatus::deleted:
      break;
  }
  return fail(Code::not_found, "NotFound", "no entry with this key");
}

LookupOutcome outcome_of(const Result<Entry>& answer) {
  if (answer) return LookupOutcome::found;
  switch (answer.error().code) {
    case Code::not_found:
      return LookupOutcome::not_found;
    case Code::invalid:
    case Code::conflict:
    case Code::forbidden:
    case Code::exhausted:
      return LookupOutcome::refused;
    default:
      return LookupOutcome::failed;
  }
}

}  // namespace

std::string_view to_string(LookupSource source) { return name_of(sources, source); }

Digest lookup_hash_of(const HmacKey& installation_key, const Key& key) {
  return installation_key.sign(std::string(to_string(key.type())) + ":" + key.value());
}

Entry masked_for_people(Entry entry) {
  Person owner = entry.owner();
  if (owner.type == PersonType::natural) owner.tax_id = mask_cpf(owner.tax_id);
  return Entry{.id = {},
               .key = std::move(entry.key),
               .account = Account{.ispb = entry.account.ispb, .holder = std::move(owner)},
               .status = entry.status};
}

Lookups::Lookups(Store& store, EntryMemory* memory, Registry& registry, LookupLog& log, const Clock& clock,
                 const Secret& installation_key)
    : store_(store),
      memory_(memory),
      registry_(registry),
      log_(log),
      clock_(clock),
      installation_key_(installation_key.expose()) {}

std::optional<Result<LookupAnswer>> Lookups::cached(const Context& context, const LookupRequest& request) {
  if (memory_ == nullptr) return std::nullopt;
  if (auto allowed = admitted(context, request); !allowed) return Result<LookupAnswer>(std::move(allowed).error());
  auto known = memory_->peek(request.key);
  // That we have none says nothing about the registry, which may have to be waited for.
  if (!known || !*known) return std::nullopt;
  return recorded(context, request, own(std::move(**known)), LookupSource::memory);
}

Result<LookupAnswer> Lookups::lookup(const Context& context, const LookupRequest& request) {
  TRY_VOID(admitted(context, request));
  auto entry = memory_ != nullptr ? memory_->get(request.key, context.deadline)
                                  : store_.live_entry(request.key, context.deadline);
  if (!entry) return recorded(context, request, std::move(entry).error(), LookupSource::store);
  if (*entry) return recorded(context, request, own(std::move(**entry)), LookupSource::store);
  return recorded(context, request, from_registry(context, request), LookupSource::registry);
}

Result<void> Lookups::admitted(const Context& context, const LookupRequest& request) const {
  TRY_VOID(authorise(context.caller, Permission::lookup, context.caller.ispb));
  return check_payment(request, Needs::nothing);
}

Result<Entry> Lookups::from_registry(const Context& context, const LookupRequest& request) {
  TRY_VOID(check_payment(request, Needs::both));
  return registry_.lookup({request.key, context.caller.ispb, *request.payer_id, *request.end_to_end_id},
                          context.deadline);
}

Result<LookupAnswer> Lookups::recorded(const Context& context, const LookupRequest& request, Result<Entry> found,
                                       LookupSource source) {
  LookupRecord record{.at = clock_.now(),
                      .ispb = context.caller.ispb,
                      .actor = context.caller.subject,
                      .correlation_id = context.correlation_id,
                      .key_hash = lookup_hash_of(installation_key_, request.key),
                      .end_to_end_id = request.end_to_end_id.value_or(""),
                      .outcome = outcome_of(found)};
  if (request.payer_id) record.payer_hash = installation_key_.sign(*request.payer_id);
  if (found) record.entry = found->id;
  TRY_VOID(log_.append(record));
  if (!found) return std::move(found).error();
  if (permits(context.caller.roles, Permission::see_full_lookup)) return LookupAnswer{std::move(*found), source, false};
  return LookupAnswer{masked_for_people(std::move(*found)), source, true};
}

}  // namespace chaveiro::directory
