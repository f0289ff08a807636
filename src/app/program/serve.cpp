#include "app/program/serve.h"

#include <cstdio>
#include <optional>

#include "app/program/platform.h"
#include "base/guarded.h"
#include "base/log_sink.h"
#include "base/process.h"

namespace chaveiro::app {
namespace {

Result<FdSink> sink_of(const Settings& settings) {
  if (settings.log_file.empty()) return FdSink::standard_error();
  return FdSink::file(settings.log_file);
}

void warn_about(const Loaded& loaded, const Logger& logger) {
  for (const std::string& warning : loaded.warnings) logger.warn(warning);
  const Settings& settings = loaded.settings;
  const bool loopback = settings.bind.empty() || settings.bind.starts_with("127.") || settings.bind == "::1";
  if (settings.tls_cert_file.empty() && !loopback) {
    logger.warn("both APIs listen beyond this machine without TLS: tokens and personal data can be read on the way");
  }
  if (loaded.origins.at("CHAVEIRO_ISPBS").where == "default") {
    logger.warn("CHAVEIRO_ISPBS is not set: the participants served are invented ones");
  }
}

}  // namespace

Result<void> serve(const Loaded& loaded, const ServeOptions& options) {
  // Signals come first: the threads made below inherit which ones are blocked.
  Guarded<Platform*> running(nullptr);
  Guarded<Logger> logger{Logger()};
  StopToken stop;
  Signals signals(stop, [&] {
    auto platform = running.lock();
    if (*platform == nullptr) return;
    const Result<void> reloaded = (*platform)->reload();
    const auto log = logger.lock();
    if (reloaded) log->info("certificates and keys were read again");
    if (!reloaded) log->error("certificates and keys stay as they were", {{"error", reloaded.error()}});
  });

  const SystemClock clock;
  TRY(FdSink file, sink_of(loaded.settings));
  QueuedSink sink(clock, file);
  TRY(const Level level, parse_level(loaded.settings.log_level));
  Log log(clock, sink, {.level = level, .access_sample = loaded.settings.log_sample});
  *logger.lock() = log.logger("serve");
  const Logger own = log.logger("serve");
  warn_about(loaded, own);
  if (const auto files = raise_open_files_limit(); !files)
    own.warn("the limit of open files stays low", {{"error", files.error()}});

  TRY(const std::unique_ptr<Platform> platform, Platform::start(loaded.settings, !options.empty, log, clock));
  *running.lock() = platform.get();
  const std::string greeting = platform->greeting(options.program);
  std::fwrite(greeting.data(), 1, greeting.size(), stdout);
  std::fflush(stdout);
  own.info("ready");

  stop.wait(Deadline::never());
  own.info("stopping", {{"timeout_ms", loaded.settings.shutdown_timeout}});
  *running.lock() = nullptr;
  if (!platform->stop(Deadline::in(loaded.settings.shutdown_timeout))) own.warn("some requests were cut");
  own.info("stopped");
  return {};
}

}  // namespace chaveiro::app
