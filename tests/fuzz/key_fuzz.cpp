// Keys as people and programs write them: the first byte chooses the type, the rest is the text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "directory/key.h"

using chaveiro::directory::guess_key_type;
using chaveiro::directory::Key;
using chaveiro::directory::KeyRules;
using chaveiro::directory::KeyType;
using chaveiro::directory::normalise;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto type = static_cast<KeyType>(1 + data[0] % 5);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);

  const std::string once = normalise(type, text);
  CHECK(normalise(type, once) == once);
  const auto guessed = guess_key_type(text);

  const auto key = Key::parse(type, once, KeyRules{.check_digits = false});
  if (key) {
    CHECK(key->value() == once && once.size() <= 77);
    CHECK(guess_key_type(once) == type);
    CHECK(guessed == type);
  } else {
    CHECK(!key.error().violations.empty());
    CHECK(once == text);  // what normalising cannot make valid it leaves alone
  }
  const auto checked = Key::parse(type, once, KeyRules{.check_digits = true});
  CHECK(!checked || *checked == *key);
  return 0;
}
