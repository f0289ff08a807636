#include "directory/erasure.h"

namespace chaveiro::directory {

namespace {

void blank(Person& person) {
  person.tax_id.clear();
  person.name.clear();
  person.trade_name.reset();
}

void blank(Key& key, const Uuid& id) {
  if (key.type() == KeyType::evp) return;
  key = Key::parse(KeyType::evp, to_string(id), KeyRules{}).value();
}

}  // namespace

Error person_in_use(std::string_view what) {
  return fail(Code::conflict, "PersonInUse",
              "the person still has " + std::string(what) + "; end that first, then erase the person");
}

void blank(Account& account, std::uint64_t version) {
  blank(account.holder);
  account.version = version;
}

void blank(Entry& entry, std::uint64_t version) {
  blank(entry.account.holder);
  blank(entry.key, entry.id.uuid);
  entry.version = version;
}

void blank(Claim& claim, std::uint64_t version) {
  blank(claim.claimer_account.holder);
  blank(claim.key, claim.id.uuid);
  claim.version = version;
}

}  // namespace chaveiro::directory
