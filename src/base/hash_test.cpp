#include "base/hash.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/random.h"

namespace chaveiro {
namespace {

std::string hex(const Digest256& digest) { return to_hex(digest); }

TEST(Sha256, gives_the_published_examples) {
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, reads_pieces_of_any_size_and_goes_on_after_being_asked) {
  std::string text;
  Sha256 pieces;
  for (int i = 0; i < 300; ++i) {
    const std::string piece(static_cast<std::size_t>(i % 97), static_cast<char>('a' + i % 26));
    text += piece;
    pieces.update(piece);
    ASSERT_EQ(pieces.digest(), sha256(text));
  }
  Sha256 copy = pieces;
  copy.update("x");
  EXPECT_NE(copy.digest(), pieces.digest());
}

TEST(Hmac, gives_the_published_examples) {
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hmac, agrees_with_openssl_for_every_length_of_key_and_message) {
  Random random(11);
  for (std::size_t length = 0; length < 200; ++length) {
    std::string key(length, '\0'), message(random.below(300), '\0');
    for (char& c : key) c = static_cast<char>(random.below(256));
    for (char& c : message) c = static_cast<char>(random.below(256));
    Digest256 theirs;
    unsigned size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), as_bytes(message).data(), message.size(),
         theirs.data(), &size);
    ASSERT_EQ(hmac_sha256(key, message), theirs) << length;
    const HmacKey ready{key};
    ASSERT_EQ(ready.sign(message), theirs) << length;
    ASSERT_EQ(ready.sign(message), theirs) << "a key signs more than once";
  }
}

TEST(ConstantTimeEqual, is_equality) {
  EXPECT_TRUE(constant_time_equal("", ""));
  EXPECT_TRUE(constant_time_equal("token", "token"));
  EXPECT_FALSE(constant_time_equal("token", "tokem"));
  EXPECT_FALSE(constant_time_equal("token", "toke"));
}

}  // namespace
}  // namespace chaveiro
