#include "directory/caller.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace chaveiro::directory {
namespace {

const Ispb ours = *Ispb::parse("12345678");
const Ispb theirs = *Ispb::parse("87654321");
const AccountId mine{uuid_v5(Uuid{}, "mine")};
const AccountId other{uuid_v5(Uuid{}, "other")};

using P = Permission;
const std::set<P> every_permission{P::read_entries,    P::write_entries,   P::block_entries, P::read_accounts,
                                   P::write_accounts,  P::read_claims,     P::write_claims,  P::lookup,
                                   P::see_full_lookup, P::read_statistics, P::read_audit,    P::administrate};
const std::map<Role, std::set<P>> table{
    {Role::user, {P::read_entries, P::write_entries, P::read_accounts, P::read_claims, P::write_claims, P::lookup}},
    {Role::operator_,
     {P::read_entries, P::write_entries, P::block_entries, P::read_accounts, P::write_accounts, P::read_claims,
      P::write_claims, P::lookup, P::see_full_lookup, P::read_statistics}},
    {Role::auditor, {P::read_entries, P::read_accounts, P::read_claims, P::read_statistics, P::read_audit}},
    {Role::admin, every_permission},
};

Caller caller(Roles roles, std::optional<std::vector<AccountId>> accounts = std::nullopt) {
  return {.subject = "s", .ispb = ours, .roles = roles, .accounts = std::move(accounts)};
}

TEST(Authorise, every_role_has_exactly_the_permissions_of_the_table) {
  for (const auto& [role, permissions] : table) {
    for (const P permission : every_permission) {
      EXPECT_EQ(permits(Roles{role}, permission), permissions.contains(permission))
          << to_string(role) << " " << static_cast<int>(permission);
    }
  }
  for (const P permission : every_permission) EXPECT_FALSE(permits(Roles{}, permission));
}

TEST(Authorise, roles_add_up) {
  const Roles both{Role::user, Role::auditor};
  EXPECT_TRUE(permits(both, P::write_entries));
  EXPECT_TRUE(permits(both, P::read_audit));
  EXPECT_FALSE(permits(both, P::administrate));
}

TEST(Authorise, nobody_reaches_another_participant) {
  for (const auto& [role, permissions] : table) {
    for (const P permission : permissions) {
      EXPECT_TRUE(authorise(caller({role}), permission, ours));
      const auto result = authorise(caller({role}), permission, theirs);
      ASSERT_FALSE(result);
      EXPECT_EQ(result.error().code, Code::forbidden);
      EXPECT_EQ(result.error().reason, "Forbidden");
      EXPECT_FALSE(authorise(caller({role}, std::vector{mine}), permission, theirs, mine));
    }
  }
}

TEST(Authorise, a_user_touches_only_his_accounts) {
  for (const P permission : table.at(Role::user)) {
    EXPECT_TRUE(authorise(caller({Role::user}, std::vector{mine}), permission, ours, mine));
    EXPECT_FALSE(authorise(caller({Role::user}, std::vector{mine}), permission, ours, other));
    EXPECT_FALSE(authorise(caller({Role::user}, std::vector<AccountId>{}), permission, ours, mine));
    EXPECT_FALSE(authorise(caller({Role::user}), permission, ours, mine));
  }
}

TEST(Authorise, other_roles_touch_all_of_the_participant_unless_accounts_are_listed) {
  EXPECT_TRUE(authorise(caller({Role::operator_}), P::write_entries, ours, other));
  EXPECT_TRUE(authorise(caller({Role::operator_}, std::vector{mine}), P::write_entries, ours, mine));
  EXPECT_FALSE(authorise(caller({Role::operator_}, std::vector{mine}), P::write_entries, ours, other));
}

TEST(Authorise, a_role_that_only_reads_does_not_widen_what_a_user_writes) {
  const Caller both = caller({Role::user, Role::auditor});
  EXPECT_TRUE(authorise(both, P::read_entries, ours, other));
  EXPECT_FALSE(authorise(both, P::write_entries, ours, other));
}

TEST(Roles, texts_read_back) {
  for (const auto& [role, permissions] : table) EXPECT_EQ(role_of(to_string(role)), role);
  EXPECT_EQ(role_of("root"), std::nullopt);
  EXPECT_TRUE(Roles{}.empty());
}

}  // namespace
}  // namespace chaveiro::directory
