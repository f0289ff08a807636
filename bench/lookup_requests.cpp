#include "bench/lookup_requests.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>

#include "base/check.h"
#include "bench/keys.h"

namespace chaveiro::bench {
namespace {

constexpr double zipf_exponent = 0.99;
constexpr std::size_t stream_length = std::size_t{1} << 20;

// dict.common.v1.KeyType.
char type_number(std::string_view type) {
  if (type == "CPF") return 1;
  if (type == "EMAIL") return 3;
  if (type == "PHONE") return 4;
  return 5;
}

// A step that has no divisor in common with the number of keys visits each of them once.
std::size_t step_through(std::size_t keys) {
  std::size_t step = 0x9e3779b1u % keys | 1;
  while (std::gcd(step, keys) != 1) step += 2;
  return step;
}

}  // namespace

void stop(const std::string& why) {
  std::fprintf(stderr, "lookup: %s\n", why.c_str());
  std::exit(1);
}

Requests::Requests(std::size_t keys) {
  CHECK(keys > 0);
  spans_.reserve(keys);
  for (std::size_t number = 0; number < keys; ++number) add(number);
  draw(stream_length);
}

void Requests::add(std::size_t number) {
  const GeneratedKey key = key_of(number);
  const std::size_t dict_key = 4 + key.value.size();
  CHECK(dict_key < 128);  // so that every length is one byte
  spans_.push_back({static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint8_t>(dict_key)});
  bytes_.append({0, 0, 0, 0, static_cast<char>(2 + dict_key)});
  bytes_.append({0x0a, static_cast<char>(dict_key)});
  bytes_.append({0x08, type_number(key.type), 0x12, static_cast<char>(key.value.size())});
  bytes_.append(key.value);
}

void Requests::draw(std::size_t count) {
  std::vector<double> sums(keys());
  double sum = 0;
  for (std::size_t rank = 0; rank < sums.size(); ++rank)
    sums[rank] = sum += 1 / std::pow(static_cast<double>(rank + 1), zipf_exponent);
  const std::size_t step = step_through(keys());
  std::mt19937_64 random(20'240'601);
  std::uniform_real_distribution<double> uniform(0, sum);
  stream_.reserve(count);
  while (stream_.size() < count) {
    const auto at = std::upper_bound(sums.begin(), sums.end(), uniform(random));
    const auto rank = std::min<std::size_t>(static_cast<std::size_t>(at - sums.begin()), keys() - 1);
    stream_.push_back(static_cast<std::uint32_t>(rank * step % keys()));
  }
}

std::string Requests::json(std::size_t key) const {
  return R"({"key_type":")" + std::string(key_of(key).type) + R"(","key":")" + std::string(value(key)) + R"("})";
}

}  // namespace chaveiro::bench
