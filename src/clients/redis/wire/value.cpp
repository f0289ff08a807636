#include "clients/redis/wire/value.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace chaveiro::redis {
namespace {

struct Meaning {
  std::string_view word;
  Code code;
};

constexpr std::array meanings{
    Meaning{"NOAUTH", Code::unauthenticated},
    Meaning{"WRONGPASS", Code::unauthenticated},
    Meaning{"NOPERM", Code::forbidden},
    Meaning{"NOSCRIPT", Code::not_found},
    Meaning{"NOGROUP", Code::not_found},
    Meaning{"BUSYGROUP", Code::exists},
    Meaning{"BUSYKEY", Code::exists},
    Meaning{"EXECABORT", Code::conflict},
    Meaning{"READONLY", Code::conflict},
    Meaning{"MOVED", Code::conflict},
    Meaning{"ASK", Code::conflict},
    Meaning{"INPROG", Code::conflict},
    Meaning{"OOM", Code::exhausted},
    Meaning{"LOADING", Code::unavailable},
    Meaning{"CLUSTERDOWN", Code::unavailable},
    Meaning{"TRYAGAIN", Code::unavailable},
    Meaning{"MASTERDOWN", Code::unavailable},
    Meaning{"BUSY", Code::unavailable},
    Meaning{"NOREPLICAS", Code::unavailable},
    Meaning{"MISCONF", Code::unavailable},
    Meaning{"NOTREPLICATED", Code::maybe_applied},
    Meaning{"UNBLOCKED", Code::unavailable},
    Meaning{"NOMASTERLINK", Code::unavailable},
};

constexpr std::size_t message_max = 200;

}  // namespace

Error error_of(std::string_view line) {
  // The server quotes unknown commands with their arguments, which may be anybody's data.
  line = line.substr(0, std::min(line.find(", with args beginning with"), message_max));
  const std::size_t space = line.find(' ');
  std::string_view word = line.substr(0, space);
  std::string_view rest = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  const bool is_word = !word.empty() && std::ranges::all_of(word, [](unsigned char c) { return std::isupper(c) != 0; });
  if (!is_word) word = "ERR", rest = line;
  const auto found = std::ranges::find(meanings, word, &Meaning::word);
  Code code = found == meanings.end() ? Code::invalid : found->code;
  if (word == "ERR" && rest.find("max number of clients") != std::string_view::npos) code = Code::unavailable;
  return fail(code, std::string(word), "Redis: " + std::string(rest));
}

}  // namespace chaveiro::redis
