// app/redis.h
//
// What the settings say about Redis, as options of its client. REDIS_URL wins over the single settings.
//
// Threads: any.
// Errors:  invalid, naming the part that must be mended; never a password.
#pragma once

#include "app/settings.h"
#include "clients/redis/options.h"

namespace chaveiro::app {

Result<redis::Options> redis_options(const Settings& settings);

}  // namespace chaveiro::app
