#include "api/jwks.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "base/encoding.h"

namespace chaveiro::api {
namespace {

namespace json = boost::json;

constexpr std::size_t file_bytes_max = 1u << 20;
constexpr std::size_t keys_max = 100;
constexpr std::size_t es256_signature_bytes = 64;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* it) const {
    Free(it);
  }
};
using PublicKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using ParamBuild = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;

std::string member(const json::object& key, std::string_view name) {
  const json::value* value = key.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

Number number_of(const std::string& bytes) {
  return Number(
      BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), nullptr));
}

PublicKey from_params(const char* kind, OSSL_PARAM_BLD* build) {
  const Params params(OSSL_PARAM_BLD_to_param(build));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1) return nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) return nullptr;
  return PublicKey(key);
}

Result<PublicKey> rsa_key(const json::object& key) {
  const auto n = parse_base64url(member(key, "n"));
  const auto e = parse_base64url(member(key, "e"));
  if (!n || !e || n->empty() || e->empty() || e->size() > 8)
    return fail(Code::invalid, "", "`n` or `e` is missing or not base64url");
  const Number modulus = number_of(*n);
  const Number exponent = number_of(*e);
  const int bits = modulus ? BN_num_bits(modulus.get()) : 0;
  if (bits < 2048 || bits > 8192) return fail(Code::invalid, "", "an RSA key must have 2048 to 8192 bits");
  if (!exponent || !BN_is_odd(exponent.get()) || BN_num_bits(exponent.get()) < 2)
    return fail(Code::invalid, "", "`e` is no exponent of RSA");
  const ParamBuild build(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  PublicKey made = from_params("RSA", build.get());
  if (!made) return fail(Code::invalid, "", "OpenSSL does not take it as an RSA key");
  return made;
}

Result<PublicKey> ec_key(const json::object& key) {
  const auto x = parse_base64url(member(key, "x"));
  const auto y = parse_base64url(member(key, "y"));
  if (!x || !y || x->size() != 32 || y->size() != 32)
    return fail(Code::invalid, "", "`x` and `y` must be 32 bytes each in base64url");
  const std::string point = '\x04' + *x + *y;
  const ParamBuild build(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  PublicKey made = from_params("EC", build.get());
  if (!made) return fail(Code::invalid, "", "the point does not lie on P-256");
  return made;
}

// JWS writes the two numbers of an ECDSA signature one after the other, OpenSSL reads them as DER.
std::string der_of(std::string_view signature) {
  const auto half = [&](std::size_t at) {
    return BN_bin2bn(reinterpret_cast<const unsigned char*>(signature.data() + at), 32, nullptr);
  };
  const std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>> pair(ECDSA_SIG_new());
  ECDSA_SIG_set0(pair.get(), half(0), half(32));
  std::string der(static_cast<std::size_t>(i2d_ECDSA_SIG(pair.get(), nullptr)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_ECDSA_SIG(pair.get(), &out);
  return der;
}

bool verify(EVP_PKEY* key, std::string_view message, std::string_view signature) {
  const DigestContext context(EVP_MD_CTX_new());
  if (!context || EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1) return false;
  return EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                          reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
}

}  // namespace

struct KeySet::Key {
  std::string kid;
  TokenAlgorithm algorithm = TokenAlgorithm::rs256;
  PublicKey key;
};

Result<KeySet> KeySet::parse(std::string_view json_text) {
  json::parse_options options;
  options.max_depth = 8;
  boost::system::error_code error;
  const json::value value = json::parse(json_text, error, json::storage_ptr(), options);
  const json::value* list = !error && value.is_object() ? value.get_object().if_contains("keys") : nullptr;
  if (!list || !list->is_array()) return fail(Code::invalid, "KeySetInvalid", "is not a JSON Web Key Set");
  if (list->get_array().size() > keys_max)
    return fail(Code::invalid, "KeySetInvalid", "holds more than " + std::to_string(keys_max) + " keys");

  KeySet set;
  std::size_t place = 0;
  for (const json::value& item : list->get_array()) {
    const std::string name = "keys[" + std::to_string(place++) + "]";
    if (!item.is_object()) return fail(Code::invalid, "KeySetInvalid", name + " is not an object");
    const json::object& object = item.get_object();
    const std::string kind = member(object, "kty");
    const std::string use = member(object, "use");
    const bool rsa = kind == "RSA";
    const bool p256 = kind == "EC" && member(object, "crv") == "P-256";
    if ((!rsa && !p256) || (!use.empty() && use != "sig")) continue;
    const TokenAlgorithm algorithm = rsa ? TokenAlgorithm::rs256 : TokenAlgorithm::es256;
    if (const std::string said = member(object, "alg"); !said.empty() && said != to_string(algorithm)) continue;
    auto made = rsa ? rsa_key(object) : ec_key(object);
    const std::string kid = member(object, "kid");
    if (!made) return fail(Code::invalid, "KeySetInvalid", name + " (kid \"" + kid + "\"): " + made.error().message);
    for (const auto& other : set.keys_)
      if (!kid.empty() && other->kid == kid)
        return fail(Code::invalid, "KeySetInvalid", name + ": the kid \"" + kid + "\" stands there twice");
    set.keys_.push_back(std::make_shared<const Key>(Key{kid, algorithm, std::move(*made)}));
  }
  if (set.keys_.empty())
    return fail(Code::invalid, "KeySetInvalid", "holds no key for RS256 or ES256 (RSA, or EC on P-256, use sig)");
  return set;
}

Result<KeySet> KeySet::read_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text(file_bytes_max + 1, '\0');
  if (!in) return fail(Code::invalid, "KeySetInvalid", file + ": cannot be read");
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad() || text.size() > file_bytes_max)
    return fail(Code::invalid, "KeySetInvalid", file + ": cannot be read, or is larger than 1 MiB");
  auto set = parse(text);
  if (!set) set.error().message = file + ": " + set.error().message;
  return set;
}

bool KeySet::holds(const TokenParts& token) const {
  const Key* chosen = nullptr;
  for (const auto& key : keys_) {
    if (key->algorithm != token.algorithm) continue;
    if (!token.kid.empty()) {
      if (key->kid == token.kid) chosen = key.get();
      continue;
    }
    if (chosen) return false;  // without a kid the choice must be clear
    chosen = key.get();
  }
  if (!chosen) return false;
  if (token.algorithm == TokenAlgorithm::rs256) return verify(chosen->key.get(), token.signing_input, token.signature);
  if (token.algorithm != TokenAlgorithm::es256 || token.signature.size() != es256_signature_bytes) return false;
  return verify(chosen->key.get(), token.signing_input, der_of(token.signature));
}

}  // namespace chaveiro::api
