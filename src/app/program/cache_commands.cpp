#include <cstdio>
#include <thread>

#include "app/program/commands.h"
#include "app/program/print.h"
#include "base/clock.h"
#include "cache/warming.h"
#include "directory/key.h"

namespace chaveiro::app {
namespace {

namespace admin = dict::admin::v1;
namespace core = dict::core::v1;
using Admin = admin::AdminService::Stub;

struct CacheOptions {
  std::string cache, key, tag, type, next;
  bool all = false;
  std::uint64_t limit = 0;
  double rate = 0;
};
CacheOptions& options() {
  static CacheOptions& all = kept<CacheOptions>();
  return all;
}

void add_cache_option(CLI::App& command) {
  command.add_option("--cache", options().cache, "name of the cache; by how the key begins where left out");
}

// How many entries there are to be brought in: for the bar. 0: not known.
std::uint64_t entries_of(Client& client) {
  grpc::ClientContext context;
  client.prepare(context);
  core::GetStatisticsResponse answer;
  if (!client.core().GetStatistics(&context, core::GetStatisticsRequest(), &answer).ok()) return 0;
  std::uint64_t all = 0;
  for (const auto& row : answer.entries())
    all += row.status() == dict::common::v1::ENTRY_STATUS_DELETED ? 0 : row.count();
  return all;
}

// Page after page; a run that was stopped goes on with --next.
int warm(Client& client, const Output& output) {
  const CacheOptions& wanted = options();
  constexpr std::uint32_t page = 200;
  cache::WarmProgress progress{.total = output.json ? 0 : entries_of(client)};
  if (wanted.limit > 0) progress.total = std::min(progress.total, wanted.limit);
  admin::WarmCacheRequest request;
  request.set_next(wanted.next);
  admin::WarmCacheResponse sum;
  do {
    const std::uint64_t left = wanted.limit == 0 ? page : wanted.limit - progress.position;
    request.set_limit(static_cast<std::uint32_t>(std::min<std::uint64_t>(page, left)));
    grpc::ClientContext context;
    client.prepare(context);
    admin::WarmCacheResponse answer;
    if (const grpc::Status status = client.admin().WarmCache(&context, request, &answer); !status.ok()) {
      if (!request.next().empty()) std::fprintf(stderr, "go on with --next %s\n", request.next().c_str());
      return Client::failed(status, output);
    }
    sum.set_loaded(sum.loaded() + answer.loaded());
    sum.set_present(sum.present() + answer.present());
    sum.set_failed(sum.failed() + answer.failed());
    sum.set_next(answer.next());
    progress.loaded = sum.loaded(), progress.present = sum.present(), progress.failed = sum.failed();
    progress.position = progress.loaded + progress.present + progress.failed;
    progress.total = std::max(progress.total, progress.position);
    if (!output.json) std::fprintf(stderr, "\r%s", cache::progress_bar(progress).c_str());
    request.set_next(answer.next());
    if (wanted.rate > 0 && !answer.next().empty())
      std::this_thread::sleep_for(std::chrono::duration<double>(request.limit() / wanted.rate));
  } while (!request.next().empty() && (wanted.limit == 0 || progress.position < wanted.limit));
  if (!output.json) std::fprintf(stderr, "\n");
  return Client::printed(sum, output);
}

int invalidate(Client& client, const Output& output) {
  admin::InvalidateCachedRequest request;
  request.set_cache(options().cache);
  request.set_key(options().key);
  request.set_tag(options().tag);
  request.set_everything(options().all);
  return client.call(client.admin(), &Admin::InvalidateCached, request, output);
}

int key_of(Client& client, const Output& output) {
  std::string type = options().type, value = options().key;
  if (value.empty()) {
    value = type;
    const auto guessed = directory::guess_key_type(value);
    if (!guessed) return Client::failed(fail_field("type", "must be given: the key does not tell it"), output);
    type = to_string(*guessed);
  }
  admin::NameCacheKeyRequest request;
  request.set_key_type(type);
  request.set_key_value(value);
  return client.call(client.admin(), &Admin::NameCacheKey, request, output);
}

}  // namespace

void add_cache_commands(CLI::App& root, Session& session) {
  CLI::App& group =
      command_group(root, "cache", "caches of the running server: stats, get, explain, invalidate, warm, key");
  CLI::App* stats = group.add_subcommand("stats", "hits, misses and sizes of every level");
  stats->add_option("cache", options().cache, "only of this cache");
  action(session, *stats, [](Client& client, const Output& output) {
    admin::GetCacheStatsRequest request;
    request.set_cache(options().cache);
    return client.call(client.admin(), &Admin::GetCacheStats, request, output);
  });

  CLI::App* get = group.add_subcommand("get", "what the levels hold of a key; never asks the store");
  get->add_option("key", options().key, "such as dict:entry:key:CPF:12345678901 or dict:claim:id:…")->required();
  add_cache_option(*get);
  action(session, *get, [](Client& client, const Output& output) {
    admin::GetCachedRequest request;
    request.set_cache(options().cache);
    request.set_key(options().key);
    return client.call(client.admin(), &Admin::GetCached, request, output);
  });

  CLI::App* explain = group.add_subcommand("explain", "which level answers a key, its age, its time left, and why");
  explain->add_option("key", options().key, "as for get")->required();
  add_cache_option(*explain);
  action(session, *explain, [](Client& client, const Output& output) {
    admin::ExplainCachedRequest request;
    request.set_cache(options().cache);
    request.set_key(options().key);
    return client.call(client.admin(), &Admin::ExplainCached, request, output);
  });

  CLI::App* forget =
      group.add_subcommand("invalidate", "forget a key, a tag, a whole cache (--all --cache C) or all (--all)");
  forget->add_option("key", options().key, "as for get");
  forget->add_option("--tag", options().tag, "everything that was put with this tag");
  forget->add_flag("--all", options().all, "everything");
  add_cache_option(*forget);
  action(session, *forget, invalidate);

  CLI::App* warming =
      group.add_subcommand("warm", "bring entries into the cache before they are asked for, oldest first");
  warming->add_option("--limit", options().limit, "entries at most; all where left out");
  warming->add_option("--rate", options().rate, "entries a second at most; as fast as it goes where left out");
  warming->add_option("--next", options().next, "go on where an earlier run was stopped");
  action(session, *warming, warm);

  CLI::App* name = group.add_subcommand("key", "under which name a key lies in the levels");
  name->add_option("type", options().type, "CPF, CNPJ, EMAIL, PHONE or EVP; may be left out where the key tells it")
      ->required();
  name->add_option("value", options().key, "the key");
  action(session, *name, key_of);
}

}  // namespace chaveiro::app
