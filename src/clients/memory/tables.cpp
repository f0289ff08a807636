#include "clients/memory/tables.h"

namespace chaveiro::clients::memory {

using namespace directory;

bool Tables::take(const Entry& entry) {
  const auto account = accounts.find(entry.account.id);
  if (account == accounts.end()) return false;
  if (!entry.live()) return true;
  if (account->second.status != AccountStatus::open) return false;
  std::uint32_t& taken = slots[entry.account.id];
  const std::uint32_t bit = std::uint32_t{1} << entry.slot;
  if ((taken & bit) != 0 || !live_entries.try_emplace(entry.key, entry.id).second) return false;
  taken |= bit;
  return true;
}

void Tables::give_back(const Entry& entry) {
  if (!entry.live()) return;
  live_entries.erase(entry.key);
  slots[entry.account.id] &= ~(std::uint32_t{1} << entry.slot);
}

bool Tables::take(const Account& account) {
  const auto taken = slots.find(account.id);
  return account.status == AccountStatus::open || taken == slots.end() || taken->second == 0;
}

bool Tables::take(const Claim& claim) { return !claim.live() || live_claims.try_emplace(claim.key, claim.id).second; }

void Tables::give_back(const Claim& claim) {
  if (claim.live()) live_claims.erase(claim.key);
}

bool Tables::put(const Write& write) {
  return std::visit(
      [this](const auto& put) {
        auto& rows = table(put.after);
        const auto found = rows.find(put.after.id);
        if (!put.before) {
          if (found != rows.end() || !take(put.after)) return false;
          rows.emplace(put.after.id, put.after);
          return true;
        }
        if (found == rows.end() || found->second.version != put.before->version) return false;
        give_back(found->second);
        if (!take(put.after)) {
          CHECK(take(found->second));
          return false;
        }
        found->second = put.after;
        return true;
      },
      write);
}

void Tables::undo(const Write& write) {
  std::visit(
      [this](const auto& put) {
        auto& rows = table(put.after);
        give_back(put.after);
        if (!put.before) {
          rows.erase(put.after.id);
          return;
        }
        CHECK(take(*put.before));
        rows.insert_or_assign(put.after.id, *put.before);
      },
      write);
}

}  // namespace chaveiro::clients::memory
