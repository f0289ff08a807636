#include "tests/simulation/directory_world.h"

namespace chaveiro::directory {
namespace {

struct AccountsTest : ::testing::Test, World {};

TEST_F(AccountsTest, creating_again_is_answered_with_the_stored_one) {
  const Account first = account(bank_a, natural(1), "1");
  clock.advance(1h);
  EXPECT_EQ(account(bank_a, natural(1), "1"), first);
  EXPECT_EQ(first.id, account_id_of(bank_a, "0001", "1", AccountType::cacc));
  EXPECT_EQ(accounts.get(staff(bank_a), first.id).value(), first);
}

TEST_F(AccountsTest, the_same_account_of_another_person_is_refused) {
  account(bank_a, natural(1), "1");
  EXPECT_REFUSED(accounts.create(staff(bank_a), {bank_a, "0001", "1", AccountType::cacc, {}, natural(2)}),
                 Code::conflict, "AccountExists");
}

TEST_F(AccountsTest, faults_are_told_with_their_fields) {
  const auto result =
      accounts.create(staff(bank_a), {bank_a, "00001", "", AccountType::cacc, {}, {PersonType::natural, "1", "2", {}}});
  EXPECT_REFUSED(result, Code::invalid, "EntryInvalid");
  EXPECT_EQ(result.error().violations.size(), 4u);
}

TEST_F(AccountsTest, closes_when_its_keys_are_gone_and_not_before) {
  const Account held = account(bank_a, natural(1), "1");
  const Entry key = phone(held, 5);
  EXPECT_REFUSED(accounts.close(staff(bank_a), held.id), Code::conflict, "AccountHasEntries");
  ASSERT_TRUE(entries.remove(staff(bank_a), key.id, Reason::account_closure));
  const Account closed = accounts.close(staff(bank_a), held.id).value();
  EXPECT_EQ(closed.status, AccountStatus::closed);
  EXPECT_EQ(accounts.close(staff(bank_a), held.id).value(), closed);
  EXPECT_REFUSED(accounts.create(staff(bank_a), {bank_a, "0001", "1", AccountType::cacc, {}, natural(1)}),
                 Code::conflict, "AccountClosed");
}

TEST_F(AccountsTest, verify_says_whether_it_exists_is_open_and_whose_it_is) {
  const Account held = account(bank_a, natural(1), "1");
  const auto yes = accounts.verify(staff(bank_a), held.id, cpf_of(1)).value();
  EXPECT_TRUE(yes.exists && yes.open && yes.holder_matches);
  EXPECT_FALSE(accounts.verify(staff(bank_a), held.id, cpf_of(2)).value().holder_matches);
  ASSERT_TRUE(accounts.close(staff(bank_a), held.id));
  EXPECT_FALSE(accounts.verify(staff(bank_a), held.id, cpf_of(1)).value().open);
  EXPECT_FALSE(accounts.verify(staff(bank_b), held.id, cpf_of(1)).value().exists);
}

TEST_F(AccountsTest, belong_to_one_participant_and_a_user_sees_his_own) {
  const Account hers = account(bank_a, natural(1), "1");
  const Account his = account(bank_a, natural(2), "2");
  EXPECT_REFUSED(accounts.get(staff(bank_b), hers.id), Code::not_found, "AccountNotFound");
  EXPECT_REFUSED(accounts.close(staff(bank_b), hers.id), Code::not_found, "AccountNotFound");
  EXPECT_REFUSED(accounts.create(staff(bank_b), {bank_a, "0001", "9", AccountType::cacc, {}, natural(3)}),
                 Code::forbidden, "Forbidden");
  const Context user = as(Role::user, bank_a, {{hers.id}});
  EXPECT_EQ(accounts.get(user, hers.id).value(), hers);
  // The same answer whether it exists or not.
  EXPECT_REFUSED(accounts.get(user, his.id), Code::forbidden, "Forbidden");
  EXPECT_REFUSED(accounts.get(user, AccountId{uuid_v4()}), Code::forbidden, "Forbidden");
  EXPECT_EQ(accounts.list(user, {.ispb = bank_a}, {}).value().items, std::vector{hers});
  EXPECT_EQ(accounts.list(staff(bank_a), {.ispb = bank_a}, {}).value().items.size(), 2u);
  EXPECT_REFUSED(accounts.close(user, hers.id), Code::forbidden, "Forbidden");
}

}  // namespace
}  // namespace chaveiro::directory
