// api/token_test_keys.h
//
// Keys made for tests alone, and tokens signed with them. They open nothing.
//
// Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "api/jwt.h"

namespace chaveiro::api {

inline constexpr std::string_view test_rsa_n =
    "w6XhiQqqxsc5sDcU1xHh-aKgTEFfSeM5Rnj1BLrbrL6wT3x567UlSgZKYJgpU5FyyibrCWVMvzt02bQ4d25ZJo2VNMwjknInejGk-"
    "BP8wCVnunwoy86eCBLY5rneS5J8uRi0TgH0zgECenkDOD6wMpAd0Td-NoJyFs9cBWDHPQRRnV5BK1M7FoDb361793zPU-"
    "zJ4LVxcyHnOkH4b9ZHksXGsmgbZB78HEU0uyJfxm_q9lXk1Mwa8DMmL1D1OFbZ2XMHbLhc1gw1SoVgWdAz06XVC2dcUmLWiLvmdXzAF5r_"
    "IYHEuvGq0gSmEWvyGlFVyjdSDZ4B0pRZRQnqh4FdVw";

inline constexpr std::string_view test_jwks = R"({"keys":[
{"kty":"oct","kid":"passed-over","k":"AAAA"},
{"kty":"RSA","kid":"rsa-1","use":"sig","alg":"RS256","e":"AQAB","n":"w6XhiQqqxsc5sDcU1xHh-aKgTEFfSeM5Rnj1BLrbrL6wT3x567UlSgZKYJgpU5FyyibrCWVMvzt02bQ4d25ZJo2VNMwjknInejGk-BP8wCVnunwoy86eCBLY5rneS5J8uRi0TgH0zgECenkDOD6wMpAd0Td-NoJyFs9cBWDHPQRRnV5BK1M7FoDb361793zPU-zJ4LVxcyHnOkH4b9ZHksXGsmgbZB78HEU0uyJfxm_q9lXk1Mwa8DMmL1D1OFbZ2XMHbLhc1gw1SoVgWdAz06XVC2dcUmLWiLvmdXzAF5r_IYHEuvGq0gSmEWvyGlFVyjdSDZ4B0pRZRQnqh4FdVw"},
{"kty":"EC","kid":"ec-1","crv":"P-256","x":"LSZC5o8IDSdJxfkH5-Xe4zWkb7WXctlTKTQsMo4GFaM","y":"u0ey29VA-mt24dS16Wlht8htWgpQzcEKHMYhqbx5jtk"}]})";

inline constexpr std::string_view test_jwks_ec_only = R"({"keys":[
{"kty":"EC","kid":"ec-1","crv":"P-256","x":"LSZC5o8IDSdJxfkH5-Xe4zWkb7WXctlTKTQsMo4GFaM","y":"u0ey29VA-mt24dS16Wlht8htWgpQzcEKHMYhqbx5jtk"}]})";

inline constexpr std::string_view test_rsa_public_pem = R"(-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAw6XhiQqqxsc5sDcU1xHh
+aKgTEFfSeM5Rnj1BLrbrL6wT3x567UlSgZKYJgpU5FyyibrCWVMvzt02bQ4d25Z
Jo2VNMwjknInejGk+BP8wCVnunwoy86eCBLY5rneS5J8uRi0TgH0zgECenkDOD6w
MpAd0Td+NoJyFs9cBWDHPQRRnV5BK1M7FoDb361793zPU+zJ4LVxcyHnOkH4b9ZH
ksXGsmgbZB78HEU0uyJfxm/q9lXk1Mwa8DMmL1D1OFbZ2XMHbLhc1gw1SoVgWdAz
06XVC2dcUmLWiLvmdXzAF5r/IYHEuvGq0gSmEWvyGlFVyjdSDZ4B0pRZRQnqh4Fd
VwIDAQAB
-----END PUBLIC KEY-----
)";

// kid "" leaves it out.
std::string rs256_test_token(const TokenClaims& claims, std::string_view kid);
std::string es256_test_token(const TokenClaims& claims, std::string_view kid);

}  // namespace chaveiro::api
