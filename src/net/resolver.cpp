#include "net/resolver.h"

#include <netdb.h>

#include <cstring>
#include <optional>
#include <system_error>
#include <thread>

namespace chaveiro::net {
namespace {

using Addresses = Result<std::vector<Address>>;

Addresses look_up(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    return fail(Code::unavailable, "NameNotResolved", host + ": " + gai_strerror(error));
  }
  std::vector<Address> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    Address address;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
    addresses.push_back(address);
  }
  freeaddrinfo(found);
  if (addresses.empty()) return fail(Code::unavailable, "NameNotResolved", host + ": no address");
  return addresses;
}

}  // namespace

Result<std::vector<Address>> look_up_by_system(const std::string& host, std::uint16_t port) {
  return look_up(host, port, AI_ADDRCONFIG);
}

Resolver::Resolver(LookUp look_up)
    : look_up_(std::move(look_up)), running_(std::make_shared<Guarded<std::size_t>>(std::size_t{0})) {}

void Resolver::resolve(const std::string& host, std::uint16_t port, const Done& done) {
  if (auto numeric = look_up(host, port, AI_NUMERICHOST)) return done(std::move(numeric));
  const bool admitted = running_->with([](std::size_t& running) {
    if (running >= running_max) return false;
    ++running;
    return true;
  });
  if (!admitted) return done(fail(Code::unavailable, "NameNotResolved", host + ": too many look-ups are under way"));
  try {
    std::thread([done, look_up = look_up_, running = running_, host, port] {
      Addresses addresses = look_up(host, port);
      running->with([](std::size_t& count) { --count; });
      done(std::move(addresses));
    }).detach();
  } catch (const std::system_error&) {
    running_->with([](std::size_t& count) { --count; });
    done(fail(Code::unavailable, "NameNotResolved", host + ": no thread for the look-up"));
  }
}

Result<std::vector<Address>> Resolver::resolve(const std::string& host, std::uint16_t port, Deadline deadline) {
  auto answer = std::make_shared<Guarded<std::optional<Addresses>>>();
  if (deadline.expired()) {
    if (auto numeric = look_up(host, port, AI_NUMERICHOST)) return numeric;
    return fail(Code::deadline, "DeadlineExceeded", host + ": no time left to look up the name");
  }
  resolve(host, port, [answer](Addresses addresses) {
    answer->with([&](std::optional<Addresses>& slot) { slot.emplace(std::move(addresses)); });
    answer->notify_all();
  });
  auto slot = answer->lock();
  if (!slot.wait(deadline, [](const std::optional<Addresses>& it) { return it.has_value(); })) {
    return fail(Code::deadline, "DeadlineExceeded", host + ": the name look-up took too long");
  }
  return std::move(**slot);
}

}  // namespace chaveiro::net
