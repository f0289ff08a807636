#include "base/mask.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/text.h"

namespace chaveiro {
namespace {

TEST(Mask, shows_documents_as_authorities_publish_them) {
  EXPECT_EQ(mask_cpf("12345678909"), "***.456.789-**");
  EXPECT_EQ(mask_cpf("123.456.789-09"), "***.456.789-**");
  EXPECT_EQ(mask_cnpj("12345678000195"), "**.345.678/****-**");
  EXPECT_EQ(mask_cnpj("12.345.678/0001-95"), "**.345.678/****-**");
  EXPECT_EQ(mask_cnpj("12ABC34501DE35"), "**.ABC.345/****-**");
}

TEST(Mask, shows_the_beginning_of_addresses_names_and_ids) {
  EXPECT_EQ(mask_email("joana@example.com"), "j***@e***");
  EXPECT_EQ(mask_email("\xc3\xa9lia@\xc3\xa7.br"), "\xc3\xa9***@\xc3\xa7***");
  EXPECT_EQ(mask_phone("+5511987654321"), "+55*********21");
  EXPECT_EQ(mask_evp("0190a5b0-7c3e-7b1a-9f00-2f3a4b5c6d7e"), "0190a5b0-****-****-****-************");
  EXPECT_EQ(mask_name("Joana  Souza da Silva"), "J*** S*** d*** S***");
  EXPECT_EQ(mask_name("\xc3\x89rica"), "\xc3\x89***");
}

TEST(Mask, recognises_a_key_by_its_form) {
  EXPECT_EQ(mask_key_like("12345678909"), "***.456.789-**");
  EXPECT_EQ(mask_key_like("12345678000195"), "**.345.678/****-**");
  EXPECT_EQ(mask_key_like("joana@example.com"), "j***@e***");
  EXPECT_EQ(mask_key_like("+5511987654321"), "+55*********21");
  EXPECT_EQ(mask_key_like("0190A5B0-7c3e-7b1a-9f00-2f3a4b5c6d7e"), "0190A5B0-****-****-****-************");
}

TEST(Mask, shows_nothing_of_what_it_does_not_understand) {
  for (const char* text :
       {"", "1", "123456789012", "Joana", "+", "+55abc", "@", "@example.com", "\xff\xfe", "123456789\xc3", "+1"}) {
    EXPECT_EQ(mask_key_like(text), "***") << text;
  }
  EXPECT_EQ(mask_name(" \t"), "***");
  EXPECT_EQ(mask_email("\xff@\xff"), "***@***");
}

TEST(Mask, changes_nothing_that_is_masked_already) {
  for (const char* text : {"12345678909", "12345678000195", "joana@example.com", "+5511987654321",
                           "0190a5b0-7c3e-7b1a-9f00-2f3a4b5c6d7e", "something else"}) {
    const std::string once = mask_key_like(text);
    EXPECT_EQ(mask_key_like(once), once);
  }
  EXPECT_EQ(mask_name(mask_name("Joana da Silva")), mask_name("Joana da Silva"));
}

TEST(Mask, gives_short_utf8_for_any_bytes) {
  Random random(5);
  constexpr std::string_view alphabet = "0123456789+@.-/*ab \xc3\xa3\xff\xf0\x9f";
  for (int round = 0; round < 5'000; ++round) {
    std::string bytes(random.below(round % 10 == 0 ? 400 : 40), '\0');
    for (char& c : bytes) c = alphabet[random.below(alphabet.size())];
    for (auto* mask : {mask_cpf, mask_cnpj, mask_email, mask_phone, mask_evp, mask_key_like}) {
      const std::string masked = mask(bytes);
      ASSERT_TRUE(valid_utf8(masked)) << round;
      ASSERT_LE(masked.size(), 64u) << round;
      ASSERT_EQ(mask(masked), masked) << round << " " << masked;
    }
    ASSERT_TRUE(valid_utf8(mask_name(bytes)));
    ASSERT_LE(mask_name(bytes).size(), 256u);
  }
}

}  // namespace
}  // namespace chaveiro
