#include "api/token_test_keys.h"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/check.h"
#include "base/encoding.h"

namespace chaveiro::api {
namespace {

constexpr std::string_view rsa_private_pem = R"(-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDDpeGJCqrGxzmw
NxTXEeH5oqBMQV9J4zlGePUEutusvrBPfHnrtSVKBkpgmClTkXLKJusJZUy/O3TZ
tDh3blkmjZU0zCOScid6MaT4E/zAJWe6fCjLzp4IEtjmud5Lkny5GLROAfTOAQJ6
eQM4PrAykB3RN342gnIWz1wFYMc9BFGdXkErUzsWgNvfrXv3fM9T7MngtXFzIec6
Qfhv1keSxcayaBtkHvwcRTS7Il/Gb+r2VeTUzBrwMyYvUPU4VtnZcwdsuFzWDDVK
hWBZ0DPTpdULZ1xSYtaIu+Z1fMAXmv8hgcS68arSBKYRa/IaUVXKN1INngHSlFlF
CeqHgV1XAgMBAAECggEALcvL7aSiEfJ7ZeyWw7sLXsA67m6U6/o0o3LXw5orppVi
NtDnxw05Y8jyKwcjEU0oBfqzJJliLBcyRG1jlE0vsA8PIHMyVmrDI96wA2PGU4HN
9IBwmjhMlI442FUknCL3b+pA9kuN7pSc7GccIlPGMae7Wwg20nKZWw6Btz6OlJDf
LToDmg1R8AX925Tf6//SQrAm78fGtriO0udRX7mc/BQ1ddMg+lmDBAHbBPRhz/RN
sq1/b/NUeFbAqoUk2YfNpILcewau7RPT7SvAZhmDgWMjwSKTtC8A8Brnl9nVEt9q
0sF0j1T4z269wX2jks8wV2iNL6kSoCIt6nzN/3XG0QKBgQD86Ucs1GO6dRhFIC9P
+bn2dFAEdXa+OahGM2zm2DvW6LW4Z5E9j/6D6jzG534LcAKuphegwycJyoiL7PjX
+i1JlZX0/HmVjgWTTU0Rio9+zACYpWQUMsWnTjKrGbb6gW+B876APZ/atpXTCjQ6
8S/i7mojZhWcugW0z743LWgEcQKBgQDGCZIL+DMuIv/OzSGc1AmVJ24VtrIL7+s7
Fu8Hx25OOcibK65+WXRg1ylP3eo42Ntl3dP6oohZOBpPnB6ilY3Yptj1Z0oaGUuy
BJFnM4xX1HHX5C0BCYhSmMRDB9ecxeW0mKKt4p1DwW0V7QlBYxMpTiYAc1h2bmCz
LrPQ/DNCRwKBgCVNOsQv5y2fC59WaeP/zx+8c/jUYlkYI+uGti8uAVVnKTYzgEZ2
MHHAYIptpjeFo7+im6WIYv+csZsBroocSgWqXF2vxzb5pXTeV9mYeCWZbRUWf7ZC
7sgITozR1B0Kbinai2RasnMNrvdbb+ypmgh8ZYcnDVT6UtEiOsnklozhAoGBAIHm
TTIkwA2HT5xq2Z1xSEfZ8U+04t0Jppa/2FKV8jjFllySLocaTkgnWiXVPonDVUZg
V2eTrTQ4pKmLkly7FKwD5VQzSFwOM6S1clrraSdDZtliBlMj2ZO0OShuwHNJK/9m
D29Xsih7e/5h2SxWvH7fj/XDs0cb57og7Dos88KJAoGAeX6NsKRZmjcDoHw7pWzH
pl9cfNAPKuy4sIWfCvAa2bsi6RizaPLNsB8ZLL4I3fGzHZqdB+cKa5oIC7XUbO5O
ElZSqiLh/490HRsOmqT/zl5ZO3JDdD62XSjc7zOsLj997vPW/uISozaUGgkJVwoT
W0D844FmYAk2fHsFhSaxMVo=
-----END PRIVATE KEY-----
)";
constexpr std::string_view ec_private_pem = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmEtQoIHi6U0XZitv
yro07N1jV3YnSn/nbTN5Kt779o+hRANCAAQtJkLmjwgNJ0nF+Qfn5d7jNaRvtZdy
2VMpNCwyjgYVo7tHstvVQPprduHUtelpYbfIbVoKUM3BChzGIam8eY7Z
-----END PRIVATE KEY-----
)";

std::string sign(std::string_view pem, std::string_view message) {
  BIO* in = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
  BIO_free(in);
  CHECK(key != nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  std::string signature(1024, '\0');
  std::size_t size = signature.size();
  CHECK(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key) == 1);
  CHECK(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1);
  signature.resize(size);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return signature;
}

// DER to the two numbers of 32 bytes that JWS wants.
std::string raw_of(std::string_view der) {
  const auto* in = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(der.size()));
  CHECK(pair != nullptr);
  std::string raw(64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + 32, 32);
  ECDSA_SIG_free(pair);
  return raw;
}

// Header and payload, ready to be signed: the payload is that of a token of ours.
std::string signing_input(const TokenClaims& claims, std::string_view algorithm, std::string_view kid) {
  std::string header = "{\"alg\":\"" + std::string(algorithm) + "\"";
  if (!kid.empty()) header += ",\"kid\":\"" + std::string(kid) + "\"";
  header += "}";
  const std::string ours = write_hs256_token(claims, Secret("any"));
  return to_base64url(as_bytes(header)) + ours.substr(ours.find('.'), ours.rfind('.') - ours.find('.'));
}

}  // namespace

std::string rs256_test_token(const TokenClaims& claims, std::string_view kid) {
  const std::string input = signing_input(claims, "RS256", kid);
  return input + "." + to_base64url(as_bytes(sign(rsa_private_pem, input)));
}

std::string es256_test_token(const TokenClaims& claims, std::string_view kid) {
  const std::string input = signing_input(claims, "ES256", kid);
  return input + "." + to_base64url(as_bytes(raw_of(sign(ec_private_pem, input))));
}

}  // namespace chaveiro::api
