#include "directory/entry.h"

#include <gtest/gtest.h>

#include <set>

namespace chaveiro::directory {
namespace {

using enum Reason;
constexpr Reason all_reasons[] = {user_requested, account_closure, branch_transfer,  reconciliation,
                                  fraud,          rfb_validation,  default_operation};
constexpr KeyType all_types[] = {KeyType::cpf, KeyType::cnpj, KeyType::email, KeyType::phone, KeyType::evp};

std::set<Reason> allowed(EntryOperation operation, KeyType type) {
  std::set<Reason> reasons;
  for (const Reason reason : all_reasons) {
    if (check_reason(operation, type, reason)) reasons.insert(reason);
  }
  return reasons;
}

TEST(Reasons, follow_the_official_table) {
  for (const KeyType type : all_types) {
    EXPECT_EQ(allowed(EntryOperation::create, type), (std::set{user_requested, reconciliation}));
    EXPECT_EQ(allowed(EntryOperation::remove, type),
              (std::set{user_requested, account_closure, reconciliation, fraud, rfb_validation}));
    EXPECT_EQ(allowed(EntryOperation::update, type),
              type == KeyType::evp ? std::set{rfb_validation}
                                   : (std::set{user_requested, branch_transfer, reconciliation, rfb_validation}));
  }
}

TEST(Reasons, a_refused_one_is_named_with_those_that_are_possible) {
  const auto result = check_reason(EntryOperation::update, KeyType::evp, user_requested);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::invalid);
  EXPECT_EQ(result.error().reason, "InvalidReason");
  EXPECT_EQ(result.error().violations.at(0).field, "reason");
  EXPECT_NE(result.error().message.find("RFB_VALIDATION"), std::string::npos);
}

TEST(Reasons, texts_read_back) {
  for (const Reason reason : all_reasons) EXPECT_EQ(reason_of(to_string(reason)), reason);
  EXPECT_EQ(reason_of("ENTRY_INACTIVITY"), std::nullopt);
  for (const auto status : {EntryStatus::pending, EntryStatus::active, EntryStatus::blocked, EntryStatus::deleted}) {
    EXPECT_EQ(entry_status_of(to_string(status)), status);
  }
}

}  // namespace
}  // namespace chaveiro::directory
