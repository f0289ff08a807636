#include "base/mask.h"

#include <algorithm>

#include "base/text.h"

namespace chaveiro {
namespace {

constexpr std::string_view nothing_shown = "***";

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_star(char c) { return c == '*'; }

constexpr bool is_document_sign(char c) {
  return is_digit(c) || is_star(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// The signs of a document without its punctuation; empty where anything else stands among them.
std::string document_signs(std::string_view text) {
  std::string signs;
  for (const char c : text) {
    if (c == '.' || c == '-' || c == '/') continue;
    if (!is_document_sign(c) || signs.size() == 14) return {};
    signs.push_back(c);
  }
  return signs;
}

bool is_cpf(std::string_view signs) {
  return signs.size() == 11 && std::ranges::all_of(signs, [](char c) { return is_digit(c) || is_star(c); });
}

// The first character of the text, whole; empty where the text begins with no UTF-8.
std::string_view first_character(std::string_view text) { return text.substr(0, utf8_length(text)); }

std::string initial(std::string_view text) {
  return text.starts_with('*') ? std::string(nothing_shown) : std::string(first_character(text)) + "***";
}

bool has_evp_form(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool hyphen_place = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    const bool hex = is_digit(c) || is_star(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (hyphen_place ? c != '-' : !hex) return false;
  }
  return true;
}

}  // namespace

std::string mask_cpf(std::string_view text) {
  const std::string signs = document_signs(text);
  if (!is_cpf(signs)) return std::string(nothing_shown);
  return "***." + signs.substr(3, 3) + "." + signs.substr(6, 3) + "-**";
}

std::string mask_cnpj(std::string_view text) {
  const std::string signs = document_signs(text);
  if (signs.size() != 14) return std::string(nothing_shown);
  return "**." + signs.substr(2, 3) + "." + signs.substr(5, 3) + "/****-**";
}

std::string mask_email(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0) return std::string(nothing_shown);
  return initial(text.substr(0, at)) + "@" + initial(text.substr(at + 1));
}

std::string mask_phone(std::string_view text) {
  const bool digits =
      text.size() > 1 && std::ranges::all_of(text.substr(1), [](char c) { return is_digit(c) || is_star(c); });
  if (!text.starts_with('+') || !digits || text.size() < 9 || text.size() > 16) return std::string(nothing_shown);
  std::string masked(text);
  std::fill(masked.begin() + 3, masked.end() - 2, '*');
  return masked;
}

std::string mask_evp(std::string_view text) {
  if (!has_evp_form(text)) return std::string(nothing_shown);
  return std::string(text.substr(0, 8)) + "-****-****-****-************";
}

std::string mask_name(std::string_view text) {
  constexpr int words_max = 8;
  std::string masked;
  for (int words = 0; words < words_max; ++words) {
    text = trim(text);
    if (text.empty()) break;
    if (words > 0) masked += ' ';
    masked += initial(text);
    const std::size_t end = text.find_first_of(" \t\r\n");
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end);
  }
  return masked.empty() ? std::string(nothing_shown) : masked;
}

std::string mask_key_like(std::string_view text) {
  if (has_evp_form(text)) return mask_evp(text);
  if (text.find('@') != std::string_view::npos) return mask_email(text);
  if (text.starts_with('+')) return mask_phone(text);
  const std::string signs = document_signs(text);
  if (is_cpf(signs)) return mask_cpf(text);
  return mask_cnpj(text);
}

}  // namespace chaveiro
