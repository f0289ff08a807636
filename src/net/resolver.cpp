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

Resolver::Resolver() : running_(std::make_shared<Guarded<std::size_t>>(std::size_t{0})) {}

Result<std::vector<Address>> Resolver::resolve(const std::string& host, std::uint16_t port, Deadline deadline) {
  if (auto numeric = look_up(host, port, AI_NUMERICHOST)) return numeric;
  if (deadline.expired()) return fail(Code::deadline, "DeadlineExceeded", host + ": no time left to look up the name");
  const bool admitted = running_->with([](std::size_t& running) {
    if (running >= running_max) return false;
    ++running;
    return true;
  });
  if (!admitted) return fail(Code::unavailable, "NameNotResolved", host + ": too many look-ups are under way");

  auto answer = std::make_shared<Guarded<std::optional<Addresses>>>();
  try {
    std::thread([answer, running = running_, host, port] {
      Addresses addresses = look_up(host, port, AI_ADDRCONFIG);
      answer->with([&](std::optional<Addresses>& slot) { slot.emplace(std::move(addresses)); });
      answer->notify_all();
      running->with([](std::size_t& count) { --count; });
    }).detach();
  } catch (const std::system_error&) {
    running_->with([](std::size_t& count) { --count; });
    return fail(Code::unavailable, "NameNotResolved", host + ": no thread for the look-up");
  }
  auto slot = answer->lock();
  if (!slot.wait(deadline, [](const std::optional<Addresses>& it) { return it.has_value(); })) {
    return fail(Code::deadline, "DeadlineExceeded", host + ": the name look-up took too long");
  }
  return std::move(**slot);
}

}  // namespace chaveiro::net
