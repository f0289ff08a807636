#include "clients/redis/server_watch.h"

#include <utility>

namespace chaveiro::redis {
namespace {

std::string run_id_of(const std::string& info) {
  constexpr std::string_view name = "run_id:";
  const std::size_t at = info.find(name);
  if (at == std::string::npos) return {};
  return info.substr(at + name.size(), info.find_first_of("\r\n", at) - at - name.size());
}

}  // namespace

ServerWatch::ServerWatch(Client& client, std::string name, std::string key) {
  DedicatedOptions watch{.name = std::move(name), .key = std::move(key)};
  watch.setup.push_back(Command("INFO", "server"));
  watch.on_up = [this](const Endpoint&, const std::vector<Value>& replies) {
    if (!replies.empty()) heard_from(replies.front().text);
  };
  watch_ = client.dedicate(std::move(watch));
}
ServerWatch::~ServerWatch() { watch_.reset(); }

void ServerWatch::heard_from(const std::string& info) {
  const std::string run_id = run_id_of(info);
  if (run_id.empty()) return;
  server_.with([&](Server& it) {
    if (!it.run_id.empty() && it.run_id != run_id) ++it.changes;
    it.run_id = run_id;
  });
}

bool ServerWatch::changed() const {
  return server_.with([](const Server& it) { return it.changes != it.answered; });
}

bool ServerWatch::watching() const {
  return server_.with([](const Server& it) { return !it.run_id.empty(); });
}

Result<bool> ServerWatch::repair(Deadline deadline, const std::function<Result<void>()>& say_again) {
  std::uint64_t change = 0;
  {
    auto it = server_.lock();
    if (it->saying && !it.wait(deadline, [](const Server& now) { return !now.saying; }))
      return fail(Code::deadline, "DeadlineExceeded", "limits are still being repaired after a fail-over");
    if (it->changes == it->answered) return false;
    it->saying = true;
    change = it->changes;
  }
  const Result<void> said = say_again();
  server_.with([&](Server& it) {
    it.saying = false;
    if (said) it.answered = change;
  });
  server_.notify_all();
  if (!said) return said.error();
  return true;
}

}  // namespace chaveiro::redis
