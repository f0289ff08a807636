#include "app/redis.h"

namespace chaveiro::app {

Result<redis::Options> redis_options(const Settings& settings) {
  redis::Options options;
  options.pool_size = settings.redis_pool_size;
  options.min_idle = std::min(settings.redis_min_idle, settings.redis_pool_size);
  options.retries = settings.redis_retries;
  if (!settings.redis_url.empty()) {
    TRY(options, redis::parse_url(settings.redis_url.expose(), options));
  } else {
    const bool sentinel = !settings.redis_sentinel_addrs.empty();
    std::string url = settings.redis_tls ? "rediss" : "redis";
    url += sentinel ? "+sentinel://" + settings.redis_sentinel_addrs + "/" + settings.redis_sentinel_master
                    : "://" + settings.redis_addr;
    TRY(options, redis::parse_url(url, options));
    options.credentials.password = settings.redis_password;
    options.database = settings.redis_db;
  }
  if (options.tls && settings.redis_tls_skip_verify) options.tls->skip_verify = true;
  TRY_VOID(redis::validate(options));
  return options;
}

}  // namespace chaveiro::app
