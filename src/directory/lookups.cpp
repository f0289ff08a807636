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
Result<EntryMemory::Shared> own(EntryMemory::Shared entry) {
  switch (entry->status) {
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

LookupOutcome outcome_of(const Result<EntryMemory::Shared>& answer) {
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
  char text[128];
  const std::string_view type = to_string(key.type());
  const std::size_t size = type.size() + 1 + key.value().size();
  if (size > sizeof text) return installation_key.sign(std::string(type) + ":" + key.value());
  type.copy(text, type.size());
  text[type.size()] = ':';
  key.value().copy(text + type.size() + 1, key.value().size());
  return installation_key.sign(std::string_view(text, size));
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
  const Digest hash = lookup_hash_of(installation_key_, request.key);
  memory_->expect(request.key, hash);
  const Asked asked{context, request, hash, payer_hash_of(request)};
  auto known = memory_->peek(request.key, hash);
  // That we have none says nothing about the registry, which may have to be waited for.
  if (!known || !*known) return std::nullopt;
  return recorded(asked, own(*std::move(known)), LookupSource::memory);
}

Result<LookupAnswer> Lookups::lookup(const Context& context, const LookupRequest& request) {
  TRY_VOID(admitted(context, request));
  const Digest hash = lookup_hash_of(installation_key_, request.key);
  const Asked asked{context, request, hash, payer_hash_of(request)};
  auto entry = from_base(asked);
  LookupSource source = LookupSource::store;
  if (!entry) return recorded(asked, std::move(entry).error(), source);
  if (*entry) return recorded(asked, own(*std::move(entry)), source);
  auto foreign = from_registry(asked, source);
  return recorded(asked, std::move(foreign), source);
}

Result<EntryMemory::Shared> Lookups::from_base(const Asked& asked) {
  if (memory_ != nullptr) return memory_->get(asked.request.key, asked.hash, asked.context.deadline);
  TRY(auto entry, store_.live_entry(asked.request.key, asked.context.deadline));
  return entry ? std::make_shared<const Entry>(*std::move(entry)) : nullptr;
}

Digest Lookups::payer_hash_of(const LookupRequest& request) const {
  return request.payer_id ? installation_key_.sign(*request.payer_id) : Digest{};
}

Result<void> Lookups::admitted(const Context& context, const LookupRequest& request) const {
  TRY_VOID(authorise(context.caller, Permission::lookup, context.caller.ispb));
  return check_payment(request, Needs::nothing);
}

// What the regulator lets be kept comes before the registry is asked: a look-up that does not leave costs no tokens.
Result<EntryMemory::Shared> Lookups::from_registry(const Asked& asked, LookupSource& source) {
  source = LookupSource::registry;
  TRY_VOID(check_payment(asked.request, Needs::both));
  if (memory_ != nullptr) {
    if (Shared kept = memory_->foreign(asked.hash)) {
      source = LookupSource::memory;
      return kept;
    }
  }
  TRY(auto answer, registry_.lookup({asked.request.key, asked.context.caller.ispb, *asked.request.payer_id,
                                     *asked.request.end_to_end_id, asked.request.urgency},
                                    asked.context.deadline));
  auto entry = std::make_shared<const Entry>(std::move(answer.entry));
  if (memory_ != nullptr) memory_->keep_foreign(asked.hash, entry, answer.cache_control, answer.age);
  return Shared(std::move(entry));
}

Result<LookupAnswer> Lookups::recorded(const Asked& asked, Result<Shared> found, LookupSource source) {
  const Caller& caller = asked.context.caller;
  const LookupRequest& request = asked.request;
  LookupRecord record{.at = clock_.now(),
                      .ispb = caller.ispb,
                      .actor = caller.subject,
                      .correlation_id = asked.context.correlation_id,
                      .key_hash = asked.hash,
                      .payer_hash = asked.payer_hash,
                      .end_to_end_id = request.end_to_end_id.value_or(""),
                      .outcome = outcome_of(found)};
  if (found) record.entry = (*found)->id;
  TRY_VOID(log_.append(record));
  if (!found) return std::move(found).error();
  if (permits(caller.roles, Permission::see_full_lookup)) return LookupAnswer{*std::move(found), source, false};
  return LookupAnswer{std::make_shared<const Entry>(masked_for_people(**found)), source, true};
}

}  // namespace chaveiro::directory
