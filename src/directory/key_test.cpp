#include "directory/key.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"

namespace chaveiro::directory {
namespace {

constexpr KeyRules strict{.check_digits = true};
constexpr KeyRules lenient{.check_digits = false};
constexpr KeyType all_types[] = {KeyType::cpf, KeyType::cnpj, KeyType::email, KeyType::phone, KeyType::evp};

// The patterns as published (API DICT 2.6.1), for the comparison with those written by hand.
const std::regex& published(KeyType type) {
  static const std::regex cpf("^[0-9]{11}$");
  static const std::regex cnpj("^[0-9]{14}$");
  static const std::regex email(
      "^[a-z0-9.!#$'*+\\/"
      "=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$");
  static const std::regex phone("^\\+[1-9]\\d{1,14}$");
  static const std::regex evp("^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$");
  switch (type) {
    case KeyType::cpf:
      return cpf;
    case KeyType::cnpj:
      return cnpj;
    case KeyType::email:
      return email;
    case KeyType::phone:
      return phone;
    case KeyType::evp:
      return evp;
  }
  return cpf;
}

bool published_accepts(KeyType type, const std::string& text) {
  return text.size() <= 77 && std::regex_match(text, published(type));
}

struct Sample {
  KeyType type;
  std::string text;
  bool accepted;
};

std::vector<Sample> samples() {
  using enum KeyType;
  const std::string label63(63, 'a');
  return {
      {cpf, "11122233300", true},
      {cpf, "12345678901", true},
      {cpf, "1112223330", false},
      {cpf, "111222333001", false},
      {cpf, "111.222.333-00", false},
      {cpf, "1112223330a", false},
      {cpf, "", false},
      {cpf, "１１１２２２３３３００", false},
      {cpf, std::string("1112223330\0", 11), false},
      {cpf, "11122233300\n", false},
      {cnpj, "11222333000150", true},
      {cnpj, "1122233300015", false},
      {cnpj, "112223330001500", false},
      {cnpj, "11.222.333/0001-50", false},
      {cnpj, "12ABC34501DE35", false},
      {phone, "+5561988880000", true},
      {phone, "+5511987654321", true},
      {phone, "+12", true},
      {phone, "+123456789012345", true},
      {phone, "+1234567890123456", false},
      {phone, "+1", false},
      {phone, "+", false},
      {phone, "+0511987654321", false},
      {phone, "61988887777", false},
      {phone, "+55 61 98888-7777", false},
      {phone, "+5561988887777 ", false},
      {phone, "++551198765432", false},
      {phone, "+55１１98765432", false},
      {email, "pix@bcb.gov.br", true},
      {email, "cliente-000000@pix.bcb.gov.br", true},
      {email, "a@b", true},
      {email, ".a..b.@b", true},
      {email, "a!#$'*+/=?^_`{|}~-@b.c", true},
      {email, "a&b@c.br", false},
      {email, "a%b@c.br", false},
      {email, "A@b.br", false},
      {email, "a@B.br", false},
      {email, "@b.br", false},
      {email, "a@", false},
      {email, "a@b@c", false},
      {email, "a@b..c", false},
      {email, "a@.b", false},
      {email, "a@b.", false},
      {email, "a@-b", false},
      {email, "a@b-", false},
      {email, "a@b-c.br", true},
      {email, "a@b_c.br", false},
      {email, "a b@c.br", false},
      {email, "joão@c.br", false},
      {email, "a@c.br\x01", false},
      {email, "a@c.br\xff", false},
      {email, "\xc3\x28@c.br", false},
      {email, "a@" + label63 + ".br", true},
      {email, "a@" + label63 + "a.br", false},
      {email, std::string(75, 'x') + "@b", true},
      {email, std::string(76, 'x') + "@b", false},
      {evp, "123e4567-e89b-12d3-a456-426655440000", true},
      {evp, "123E4567-e89b-12d3-a456-426655440000", false},
      {evp, "123e4567e89b12d3a456426655440000", false},
      {evp, "123e4567-e89b-12d3-a456-42665544000", false},
      {evp, "{123e4567-e89b-12d3-a456-426655440000}", false},
      {evp, "123e4567-e89b-12d3-a456_426655440000", false},
      {evp, "g23e4567-e89b-12d3-a456-426655440000", false},
  };
}

TEST(Key, accepts_what_the_official_patterns_accept_and_nothing_else) {
  for (const auto& sample : samples()) {
    EXPECT_EQ(Key::parse(sample.type, sample.text, lenient).has_value(), sample.accepted)
        << to_string(sample.type) << " [" << sample.text << "]";
  }
}

TEST(Key, keeps_the_bytes_that_it_was_made_from) {
  for (const auto& sample : samples()) {
    const auto key = Key::parse(sample.type, sample.text, lenient);
    if (!key) continue;
    EXPECT_EQ(key->value(), sample.text);
    EXPECT_EQ(key->type(), sample.type);
  }
}

TEST(Key, names_the_field_and_the_pattern_and_never_the_value) {
  const auto key = Key::parse(KeyType::phone, "61988887777", strict);
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, Code::invalid);
  EXPECT_EQ(key.error().reason, "EntryInvalid");
  ASSERT_EQ(key.error().violations.size(), 1u);
  EXPECT_EQ(key.error().violations[0].field, "key");
  EXPECT_NE(key.error().violations[0].description.find("^\\+[1-9]\\d{1,14}$"), std::string::npos);
  EXPECT_EQ(key.error().message.find("61988887777"), std::string::npos);
}

TEST(Key, check_digits_are_asked_for_unless_switched_off) {
  // The official examples have wrong ones; beside each stands what it should have been.
  const std::vector<std::pair<std::string, std::string>> cpfs{{"11122233300", "11122233396"},
                                                              {"12345678901", "12345678909"}};
  for (const auto& [wrong, right] : cpfs) {
    EXPECT_FALSE(Key::parse(KeyType::cpf, wrong, strict)) << wrong;
    EXPECT_TRUE(Key::parse(KeyType::cpf, wrong, lenient)) << wrong;
    EXPECT_TRUE(Key::parse(KeyType::cpf, right, strict)) << right;
  }
  EXPECT_FALSE(Key::parse(KeyType::cnpj, "11222333000150", strict));
  EXPECT_TRUE(Key::parse(KeyType::cnpj, "11222333000150", lenient));
  EXPECT_TRUE(Key::parse(KeyType::cnpj, "11222333000181", strict));
}

TEST(Key, every_cpf_root_has_exactly_one_pair_of_check_digits) {
  Random random(20260101);
  for (int i = 0; i < 200; ++i) {
    std::string root = std::to_string(1'000'000'000 + random.below(9'000'000'000)).substr(1);
    if (root.find_first_not_of(root[0]) == std::string::npos) continue;
    int holding = 0;
    for (int digits = 0; digits < 100; ++digits) {
      const std::string two = {static_cast<char>('0' + digits / 10), static_cast<char>('0' + digits % 10)};
      if (cpf_check_digits_hold(root + two)) ++holding;
    }
    EXPECT_EQ(holding, 1) << root;
  }
}

TEST(Key, check_digits_of_repeated_digits_do_not_hold) {
  for (char c = '0'; c <= '9'; ++c) {
    EXPECT_FALSE(cpf_check_digits_hold(std::string(11, c)));
    EXPECT_FALSE(cnpj_check_digits_hold(std::string(14, c)));
  }
}

TEST(Key, check_digits_of_a_cnpj_with_letters_count_ascii_minus_48) {
  EXPECT_TRUE(cnpj_check_digits_hold("12ABC34501DE35"));
  EXPECT_FALSE(cnpj_check_digits_hold("12ABC34501DE36"));
  EXPECT_FALSE(cnpj_check_digits_hold("12abc34501de35"));
  EXPECT_FALSE(cnpj_check_digits_hold("12ABC34501DE3A"));
  EXPECT_FALSE(cnpj_check_digits_hold(""));
  EXPECT_FALSE(cpf_check_digits_hold(""));
  EXPECT_FALSE(cpf_check_digits_hold("1234567890a"));
}

// Texts near the border of the patterns: samples with bytes changed, dropped, doubled or joined.
std::string mutated(Random& random, const std::vector<Sample>& seeds) {
  static constexpr std::string_view alphabet = "0123456789abcfgzAZ.+-@/ ()_&%!~{}\x01\x7f\xc3\xa3\xff";
  std::string text = seeds[random.below(seeds.size())].text;
  for (auto changes = random.below(4); changes > 0; --changes) {
    const char c = alphabet[random.below(alphabet.size())];
    const auto place = random.below(text.size() + 1);
    switch (random.below(4)) {
      case 0:
        text.insert(place, 1, c);
        break;
      case 1:
        if (place < text.size()) text.erase(place, 1);
        break;
      case 2:
        if (place < text.size()) text[place] = c;
        break;
      default:
        text += seeds[random.below(seeds.size())].text.substr(0, random.below(12));
    }
  }
  return text;
}

TEST(Key, agrees_with_the_published_regular_expressions_on_random_texts) {
  const std::uint64_t seed = 0x5eed;
  Random random(seed);
  const auto seeds = samples();
  int accepted = 0;
  for (int i = 0; i < 5'000; ++i) {
    const std::string text = mutated(random, seeds);
    for (const KeyType type : all_types) {
      const bool ours = Key::parse(type, text, lenient).has_value();
      ASSERT_EQ(ours, published_accepts(type, text))
          << to_string(type) << " [" << text << "], round " << i << " of seed " << seed;
      accepted += ours ? 1 : 0;
    }
  }
  EXPECT_GT(accepted, 500);  // the texts do reach both sides of the border
}

TEST(Normalise, makes_what_people_type_into_what_the_directory_accepts) {
  EXPECT_EQ(normalise(KeyType::cpf, "111.222.333-96"), "11122233396");
  EXPECT_EQ(normalise(KeyType::cpf, "  111 222 333 96\n"), "11122233396");
  EXPECT_EQ(normalise(KeyType::cnpj, "11.222.333/0001-81"), "11222333000181");
  EXPECT_EQ(normalise(KeyType::phone, "+55 (61) 98888-7777"), "+5561988887777");
  EXPECT_EQ(normalise(KeyType::email, " Joao.Silva@Example.COM.br "), "joao.silva@example.com.br");
  EXPECT_EQ(normalise(KeyType::evp, "123E4567-E89B-12D3-A456-426655440000"), "123e4567-e89b-12d3-a456-426655440000");
}

TEST(Normalise, leaves_alone_what_it_cannot_help) {
  EXPECT_EQ(normalise(KeyType::cpf, "111.222.333"), "111.222.333");
  EXPECT_EQ(normalise(KeyType::cpf, "１１１２２２３３３９６"), "１１１２２２３３３９６");
  EXPECT_EQ(normalise(KeyType::phone, "(61) 98888-7777"), "(61) 98888-7777");
  EXPECT_EQ(normalise(KeyType::email, "JOÃO@x.br"), "JOÃO@x.br");
  EXPECT_EQ(normalise(KeyType::evp, ""), "");
}

TEST(Normalise, once_is_as_good_as_twice_and_never_spoils_a_valid_key) {
  Random random(77);
  const auto seeds = samples();
  for (int i = 0; i < 5'000; ++i) {
    const std::string text = mutated(random, seeds);
    for (const KeyType type : all_types) {
      const std::string once = normalise(type, text);
      ASSERT_EQ(normalise(type, once), once) << "[" << text << "]";
      if (Key::parse(type, text, lenient)) {
        ASSERT_EQ(once, text);
      }
    }
  }
}

TEST(GuessKeyType, tells_the_type_from_the_form_alone) {
  EXPECT_EQ(guess_key_type("111.222.333-96"), KeyType::cpf);
  EXPECT_EQ(guess_key_type("11122233396"), KeyType::cpf);
  EXPECT_EQ(guess_key_type("11.222.333/0001-81"), KeyType::cnpj);
  EXPECT_EQ(guess_key_type("+55 61 98888-7777"), KeyType::phone);
  EXPECT_EQ(guess_key_type("Pix@BCB.gov.br"), KeyType::email);
  EXPECT_EQ(guess_key_type("123E4567-e89b-12d3-a456-426655440000"), KeyType::evp);
  EXPECT_EQ(guess_key_type(""), std::nullopt);
  EXPECT_EQ(guess_key_type("1234"), std::nullopt);
  EXPECT_EQ(guess_key_type("hello"), std::nullopt);
}

TEST(GuessKeyType, guesses_the_type_of_every_valid_key) {
  for (const auto& sample : samples()) {
    if (!sample.accepted) continue;
    EXPECT_EQ(guess_key_type(sample.text), sample.type) << sample.text;
  }
}

TEST(KeyType, has_the_official_texts) {
  for (const KeyType type : all_types) EXPECT_EQ(key_type_of(to_string(type)), type);
  EXPECT_EQ(to_string(KeyType::evp), "EVP");
  EXPECT_EQ(key_type_of("cpf"), std::nullopt);
  EXPECT_EQ(key_type_of(""), std::nullopt);
}

}  // namespace
}  // namespace chaveiro::directory
