// base/secret.h
//
// Secret: text that must not be seen: passwords, tokens, keys. It has no operator<<, writes itself as "***", compares in constant
// time and wipes its memory when it goes. The one way to the text is expose(), which is easy to find in a review.
//
// Threads: a value. Copies are allowed and wiped one by one.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/hash.h"

namespace chaveiro {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) : text_(text) {}
  // Takes the text over and wipes where it came from.
  explicit Secret(std::string&& text) : text_(text) { wipe(text); }
  explicit Secret(const char* text) : Secret(std::string_view(text)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : text_(other.text_) { wipe(other.text_); }
  Secret& operator=(const Secret& other) {
    if (this != &other) wipe(text_), text_ = other.text_;
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) wipe(text_), text_ = other.text_, wipe(other.text_);
    return *this;
  }
  ~Secret() { wipe(text_); }

  // The text itself: hand it to the one call that needs it, and keep no copy.
  std::string_view expose() const { return text_; }
  bool empty() const { return text_.empty(); }

  bool operator==(const Secret& other) const { return constant_time_equal(text_, other.text_); }

  // Zeroes the bytes, also those beyond the end, and leaves `text` empty. The compiler cannot leave it out.
  static void wipe(std::string& text) noexcept;

 private:
  std::string text_;
};

inline std::string to_string(const Secret&) { return "***"; }

}  // namespace chaveiro
