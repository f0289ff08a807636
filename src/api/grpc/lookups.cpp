#include "api/grpc/convert.h"
#include "api/grpc/handlers.h"

namespace chaveiro::api::grpc {
namespace {

constexpr int lookups_max = 100;

// Payer and end-to-end id come as fields or, from v1's clients, as metadata.
Result<directory::LookupRequest> request_from(Handling& it, const std::string& prefix, const core::LookupKeyRequest& in,
                                              directory::Urgency urgency = directory::Urgency::interactive) {
  Fields fields(it.services.fields);
  const auto key = key_from(fields, prefix + "key", in.key());
  auto payer = in.payer_id().empty() ? fields.may_tax_id("pi-payer-id", it.payer_id)
                                     : fields.may_tax_id(prefix + "payer_id", in.payer_id());
  auto end_to_end = in.end_to_end_id().empty() ? fields.may_end_to_end_id("pi-end-to-end-id", it.end_to_end_id)
                                               : fields.may_end_to_end_id(prefix + "end_to_end_id", in.end_to_end_id());
  TRY_VOID(fields.verdict());
  return directory::LookupRequest{*key, std::move(payer), std::move(end_to_end), urgency};
}

Result<void> answer(Result<directory::LookupAnswer> found, core::LookupKeyResponse& out) {
  if (!found) return std::move(found).error();
  put(out, *found);
  return {};
}

}  // namespace

std::optional<Result<void>> look_up_in_memory(Handling& it, const core::LookupKeyRequest& in,
                                              core::LookupKeyResponse& out) {
  auto request = request_from(it, "", in);
  if (!request) return Result<void>(std::move(request).error());
  auto found = it.directory().lookups.cached(it.context(), *request);
  if (!found) return std::nullopt;
  return answer(std::move(*found), out);
}

Result<void> look_up_key(Handling& it, const core::LookupKeyRequest& in, core::LookupKeyResponse& out) {
  TRY(const auto request, request_from(it, "", in));
  return answer(it.directory().lookups.lookup(it.context(), request), out);
}

Result<void> look_up_keys(Handling& it, const core::LookupKeysRequest& in, core::LookupKeysResponse& out) {
  if (in.lookups_size() == 0 || in.lookups_size() > lookups_max)
    return fail_field("lookups", "must be 1 to " + std::to_string(lookups_max));
  for (int i = 0; i < in.lookups_size(); ++i) {
    core::LookupKeysResponse::Answer& each = *out.add_answers();
    const auto request =
        request_from(it, "lookups[" + std::to_string(i) + "].", in.lookups(i), directory::Urgency::batch);
    Result<void> outcome;
    if (!request)
      outcome = request.error();
    else if (auto found = it.directory().lookups.cached(it.context(), *request))
      outcome = answer(std::move(*found), *each.mutable_found());
    else
      outcome = answer(it.directory().lookups.lookup(it.context(), *request), *each.mutable_found());
    if (!outcome) *each.mutable_error() = rich_status(outcome.error(), it.call.request_id(), std::nullopt);
  }
  return {};
}

}  // namespace chaveiro::api::grpc
