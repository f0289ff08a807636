#include "api/grpc/library_log.h"

#include <grpc/support/log.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "base/mask.h"

namespace chaveiro::api::grpc {
namespace {

constexpr std::size_t message_bytes_max = 600;
constexpr std::size_t word_bytes_max = 40;  // longer: a token, a certificate
constexpr std::ptrdiff_t digits_max = 7;    // more in one word: a document, a phone
constexpr std::string_view between_words = " \t\r\n\"'<>(){}[],;=";

// The library calls a plain function: whom it means stands here.
Guarded<LibraryLog*>& receiver() {
  static Guarded<LibraryLog*> one(nullptr);
  return one;
}

Level level_of(gpr_log_severity severity) {
  switch (severity) {
    case GPR_LOG_SEVERITY_DEBUG:
      return Level::debug;
    case GPR_LOG_SEVERITY_INFO:
      return Level::info;
    case GPR_LOG_SEVERITY_ERROR:
      break;
  }
  return Level::warn;  // what strangers do on the wire is no fault of ours
}

void receive(gpr_log_func_args* args) {
  const std::string_view message = args->message;
  // The last words of the process: our log's queue would not be written any more.
  if (message.find("assertion failed") != std::string_view::npos)
    std::fprintf(stderr, "gRPC: %s:%d: %s\n", args->file, args->line, args->message);
  std::string_view file = args->file;
  file.remove_prefix(file.rfind('/') + 1);
  const auto log = receiver().lock();
  if (*log != nullptr)
    (*log)->take(level_of(args->severity), std::string(file) + ":" + std::to_string(args->line), message);
}

// OpenSSL's "error:0A000086:SSL" is no secret.
bool is_error_code(std::string_view word) { return word.starts_with("error:"); }

// "ipv4:127.0.0.1:4711": the access log shows addresses, too.
bool is_address(std::string_view word) { return word.starts_with("ipv4:") || word.starts_with("ipv6:"); }

std::string masked_word(std::string_view word) {
  if (is_error_code(word) || is_address(word)) return std::string(word.substr(0, 2 * word_bytes_max));
  if (word.find('@') != std::string_view::npos) return mask_email(word);
  const auto digits = std::count_if(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
  return word.size() > word_bytes_max || digits > digits_max ? "***" : std::string(word);
}

}  // namespace

std::string masked_message(std::string_view message) {
  message = message.substr(0, message_bytes_max);
  std::string masked;
  while (!message.empty()) {
    const std::size_t end = std::min(message.find_first_of(between_words), message.size());
    masked += masked_word(message.substr(0, end));
    if (end < message.size()) masked += message[end];
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  return masked;
}

LibraryLog::LibraryLog(Logger log, const Clock& clock, LibraryLogOptions options)
    : log_(std::move(log)), clock_(clock), options_(options) {
  {
    const auto one = receiver().lock();
    CHECK(*one == nullptr);
    *one = this;
  }
  gpr_log_verbosity_init();  // until then, or the first server, the library keeps everything to itself
  gpr_set_log_function(receive);
}

LibraryLog::~LibraryLog() {
  gpr_set_log_function(nullptr);
  *receiver().lock() = nullptr;
}

std::pair<bool, std::uint64_t> LibraryLog::admit() {
  const SteadyTime now = clock_.steady();
  auto state = state_.lock();
  if (now - state->minute >= std::chrono::minutes{1} || state->minute == SteadyTime{}) {
    state->minute = now;
    state->lines = 0;
  }
  if (state->lines >= options_.lines_per_minute) {
    ++state->held_back;
    ++state->held_back_ever;
    return {false, 0};
  }
  ++state->lines;
  return {true, std::exchange(state->held_back, 0)};
}

void LibraryLog::take(Level level, std::string_view place, std::string_view message) {
  if (!log_.wants(level)) return;
  const auto [admitted, held_back] = admit();
  if (admitted)
    log_.write(level, "the gRPC library says",
               {{"said", masked_message(message)}, {"place", place}, {"held_back_before", held_back}});
}

}  // namespace chaveiro::api::grpc
