#include "api/operations.h"

#include <cstring>

namespace chaveiro::api {
namespace {

using directory::Permission;

constexpr std::uint8_t ticket_version = 1;
constexpr std::size_t mac_bytes = 16;
constexpr std::size_t body_bytes = 1 + 16 + 16 + 8 + 8 + 8;

void put_int(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift & 0xff));
}
std::uint64_t get_int(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}
Uuid get_uuid(std::string_view bytes) {
  Uuid::Bytes id;
  std::memcpy(id.data(), bytes.data(), id.size());
  return Uuid(id);
}

Error stale(std::string message) { return fail(Code::conflict, "PortabilityStale", std::move(message)); }

}  // namespace

Result<directory::Page<directory::AuditView>> list_audit(const directory::Context& context,
                                                         directory::Directory& directory, directory::AuditFilter filter,
                                                         const directory::PageRequest& page) {
  filter.ispb = context.caller.ispb;
  TRY_VOID(directory::authorise(context.caller, Permission::read_audit, filter.ispb));
  TRY(auto records, directory.store.audit(filter, directory::that_may_lag(page), context.deadline));
  const auto detail = directory::permits(context.caller.roles, Permission::see_full_lookup)
                          ? directory::AuditDetail::full
                          : directory::AuditDetail::masked;
  return directory::shown(directory.store, std::move(records), detail, context.deadline);
}

Result<directory::Statistics> statistics(const directory::Context& context, directory::Directory& directory) {
  TRY_VOID(directory::authorise(context.caller, Permission::read_statistics, context.caller.ispb));
  return directory.store.statistics(context.caller.ispb, context.deadline);
}

struct Portabilities::Ticket {
  directory::EntryId entry;
  directory::AccountId account;
  UtcTime started_at{};
  std::uint64_t entry_version = 0;
  directory::Ispb ispb;
};

Portabilities::Portabilities(directory::Directory& directory, const Secret& installation_key, const Clock& clock)
    : directory_(directory),
      key_(as_text(hmac_sha256(installation_key.expose(), "chaveiro portability id"))),
      clock_(clock) {}

std::string Portabilities::write(const Ticket& ticket) const {
  std::string bytes(1, static_cast<char>(ticket_version));
  bytes += as_text(ticket.entry.uuid.bytes());
  bytes += as_text(ticket.account.uuid.bytes());
  put_int(bytes, static_cast<std::uint64_t>(ticket.started_at.time_since_epoch().count()));
  put_int(bytes, ticket.entry_version);
  bytes += ticket.ispb.view();
  const Digest256 mac = key_.sign(bytes);
  bytes += as_text(ByteView(mac).first(mac_bytes));
  return to_base64url(as_bytes(bytes));
}

Result<Portabilities::Ticket> Portabilities::read(std::string_view id) const {
  const auto not_ours = [] { return fail_field("portability_id", "is not an id that was made here"); };
  if (id.size() > 2 * (body_bytes + mac_bytes)) return not_ours();
  const auto decoded = parse_base64url(id);
  if (!decoded || decoded->size() != body_bytes + mac_bytes) return not_ours();
  const std::string_view bytes = *decoded;
  const Digest256 mac = key_.sign(bytes.substr(0, body_bytes));
  if (!constant_time_equal(as_text(ByteView(mac).first(mac_bytes)), bytes.substr(body_bytes))) return not_ours();
  if (static_cast<std::uint8_t>(bytes[0]) != ticket_version) return not_ours();
  Ticket ticket;
  ticket.entry.uuid = get_uuid(bytes.substr(1));
  ticket.account.uuid = get_uuid(bytes.substr(17));
  ticket.started_at = UtcTime{Micros{static_cast<std::int64_t>(get_int(bytes.substr(33)))}};
  ticket.entry_version = get_int(bytes.substr(41));
  TRY(ticket.ispb, directory::Ispb::parse(bytes.substr(49, 8)));
  return ticket;
}

Result<Portability> Portabilities::start(const directory::Context& context, const directory::EntryId& entry_id,
                                         const directory::AccountId& new_account) {
  TRY(directory::Entry entry, directory_.entries.get(context, entry_id));
  TRY(directory::Account account, directory_.accounts.get(context, new_account));
  TRY_VOID(directory::authorise(context.caller, Permission::write_entries, entry.ispb(), entry.account.id));
  const auto invalid = [](std::string why) { return fail(Code::conflict, "PortabilityInvalid", std::move(why)); };
  if (entry.status == directory::EntryStatus::blocked)
    return fail(Code::conflict, "EntryBlocked", "the key is blocked by a court order");
  if (entry.open_claim) return fail(Code::conflict, "EntryLockedByClaim", "a claim for this key has not ended yet");
  if (account.status != directory::AccountStatus::open) return invalid("the new account is closed");
  if (account.id == entry.account.id) return invalid("the key is with this account already");
  if (account.ispb != entry.ispb())
    return invalid("the new account is at another participant: start a claim of type PORTABILITY there");
  if (account.holder.tax_id != entry.owner().tax_id) return invalid("the new account is held by another person");
  const UtcTime now = clock_.now();
  std::string id = write({entry.id, account.id, now, entry.version, entry.ispb()});
  return Portability{std::move(id), std::move(entry), std::move(account), now};
}

Result<Portability> Portabilities::alone(std::string_view id,
                                         const std::function<Result<Portability>(const Ticket&)>& step) {
  TRY(const Ticket ticket, read(id));
  if (!busy_.with([&](auto& busy) { return busy.emplace(id).second; }))
    return fail(Code::conflict, "ResourceConflict", "another step of this portability is under way");
  auto answer = step(ticket);
  busy_.with([&](auto& busy) { busy.erase(busy.find(id)); });
  return answer;
}

Result<Portability> Portabilities::confirm(const directory::Context& context, std::string_view id) {
  return alone(id, [&](const Ticket& ticket) -> Result<Portability> {
    TRY(directory::Entry entry, directory_.entries.get(context, ticket.entry));
    TRY(directory::Account account, directory_.accounts.get(context, ticket.account));
    const bool done = entry.account.id == ticket.account;
    if (!done) {
      const auto changed = [] { return stale("it was cancelled, or the key has changed since; start again"); };
      if (clock_.now() - ticket.started_at > lifetime) return stale("it was started more than 7 days ago");
      if (entry.version != ticket.entry_version) return changed();
      auto moved = directory_.entries.update(
          context, {.id = ticket.entry, .account = ticket.account, .version = ticket.entry_version});
      if (!moved && moved.error().reason == "EntryChanged") return changed();
      TRY(entry, std::move(moved));
    }
    return Portability{std::string(id), entry, std::move(account), entry.updated_at};
  });
}

Result<Portability> Portabilities::cancel(const directory::Context& context, std::string_view id) {
  return alone(id, [&](const Ticket& ticket) -> Result<Portability> {
    TRY(directory::Entry entry, directory_.entries.get(context, ticket.entry));
    TRY_VOID(directory::authorise(context.caller, Permission::write_entries, entry.ispb(), entry.account.id));
    TRY(directory::Account account, directory_.accounts.get(context, ticket.account));
    if (entry.account.id == ticket.account) return stale("it was confirmed already");
    const UtcTime now = clock_.now();
    TRY(entry, directory_.entries.outdate(context, ticket.entry, ticket.entry_version, "cancel_portability"));
    if (entry.account.id == ticket.account) return stale("it was confirmed already");
    return Portability{std::string(id), std::move(entry), std::move(account), now};
  });
}

}  // namespace chaveiro::api
