// directory/erasure.h
//
// What is left of accounts, entries and claims once their person is erased (LGPD): the same for every store. Names and
// tax ids become empty; a key that is not random (CPF, CNPJ, e-mail, phone) is personal data itself and gives way to an
// EVP that is the record's own id.
//
// Threads: pure functions.
// Source:  Lei 13.709/2018, art. 16 and 18.
#pragma once

#include <string_view>

#include "directory/claim.h"

namespace chaveiro::directory {

// Is this about the person? For claims: is it the one who claims.
inline bool concerns(const Account& account, std::string_view tax_id) { return account.holder.tax_id == tax_id; }
inline bool concerns(const Entry& entry, std::string_view tax_id) { return entry.owner().tax_id == tax_id; }
inline bool concerns(const Claim& claim, std::string_view tax_id) {
  return claim.claimer_account.holder.tax_id == tax_id;
}

// As long as one of these holds, the person cannot be erased.
inline bool in_use(const Account& account) { return account.status == AccountStatus::open; }
inline bool in_use(const Entry& entry) { return entry.live(); }
inline bool in_use(const Claim& claim) { return claim.live(); }
// conflict "PersonInUse"
Error person_in_use(std::string_view what);

void blank(Account& account, std::uint64_t version);
void blank(Entry& entry, std::uint64_t version);
void blank(Claim& claim, std::uint64_t version);

}  // namespace chaveiro::directory
