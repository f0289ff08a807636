#include "clients/redis/backplane.h"

#include <charconv>

#include "base/guarded.h"

namespace chaveiro::redis {
namespace {

using Way = RedisBackplaneOptions::Way;

constexpr auto remember_interval = std::chrono::seconds{5};
constexpr auto read_block = std::chrono::milliseconds{1'000};
constexpr auto patience = std::chrono::seconds{5};

std::string run_id_of(const std::string& info) {
  const std::size_t at = info.find("run_id:");
  return at == std::string::npos ? std::string() : info.substr(at + 7, 40);
}

std::int64_t ms_of(UtcTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

// Reads on a connection of its own and tells the listener.
class RedisBackplane::Reader final : public Following {
 public:
  Reader(RedisBackplane& owner, cache::BackplaneListener& listener)
      : owner_(owner), state_(std::make_shared<State>(owner, listener)) {
    DedicatedOptions options;
    options.name = "chaveiro-caches";
    options.key = owner.options_.name;
    options.setup.emplace_back("INFO", "server");
    options.setup.emplace_back("ZRANGEBYSCORE", owner.members_key(), "-inf", "+inf");
    if (owner.replays())
      options.setup.emplace_back("XREVRANGE", owner.options_.name, "+", "-", "COUNT", 1);
    else
      options.setup.emplace_back("SUBSCRIBE", owner.options_.name);
    options.on_up = [state = state_](const Endpoint&, const std::vector<Value>& replies) { state->up(replies); };
    options.on_down = [state = state_](const Error&) { state->down(); };
    options.on_push = [state = state_](const Value& push) { state->push(push); };
    std::shared_ptr<Dedicated> made = owner.client_.dedicate(std::move(options));
    state_->connection.lock()->dedicated = std::move(made);
  }
  ~Reader() override {
    owner_.membership_.lock()->reader = nullptr;
    // After its destructor no callback of the connection runs; those of the client find nobody.
    std::shared_ptr<Dedicated> last;
    state_->connection.with([&](Connection& it) { last = std::move(it.dedicated), it.up = false; });
    last.reset();
    state_->listening.lock()->listener = nullptr;
  }

  void begin() { state_->begin(); }

 private:
  struct Connection {
    std::shared_ptr<Dedicated> dedicated;
    bool up = false;
    bool reading = false;
    std::string last_id;     // of the stream; empty: not known yet
    std::uint64_t life = 0;  // of connections
  };
  struct Listening {
    cache::BackplaneListener* listener = nullptr;  // null: the end
    bool connected = false;
    std::string run_id;
  };
  struct State : std::enable_shared_from_this<State> {
    State(RedisBackplane& owner, cache::BackplaneListener& its_listener)
        : options(owner.options_), client(owner.client_), clock(owner.clock_) {
      listening.lock()->listener = &its_listener;
    }

    const RedisBackplaneOptions options;
    Client& client;
    const Clock& clock;
    Guarded<Connection> connection;  // never held while the listener is told: it posts, and post() comes here
    Guarded<Listening> listening;    // held while the listener is told

    // Replies: INFO, the members, and of a stream its last entry.
    void up(const std::vector<Value>& replies) {
      if (replies.size() < 3) return;
      const std::string run_id = run_id_of(replies[0].text);
      std::vector<std::uint64_t> members;
      for (const Value& name : replies[1].items) {
        std::uint64_t member = 0;
        const char* const end = name.text.data() + name.text.size();
        if (std::from_chars(name.text.data(), end, member).ec == std::errc{}) members.push_back(member);
      }
      bool other = false;
      listening.with([&](Listening& it) {
        if (it.listener == nullptr) return;
        if (!it.run_id.empty() && it.run_id != run_id) {
          other = true;
          it.listener->missed();
        }
        it.run_id = run_id;
        it.connected = true;
        it.listener->connected(members);
      });
      connection.with([&](Connection& it) {
        it.up = true, it.reading = false, ++it.life;
        if (!other && !it.last_id.empty()) return;
        // Ids of another server's stream mean nothing.
        const auto& entries = replies[2].items;
        it.last_id = entries.empty() || entries[0].items.empty() ? "0-0" : entries[0].items[0].text;
      });
    }
    void down() {
      connection.with([](Connection& it) { it.up = it.reading = false, ++it.life; });
      listening.with([](Listening& it) {
        if (std::exchange(it.connected, false) && it.listener != nullptr) it.listener->lost();
      });
    }
    void push(const Value& push) {
      if (push.items.size() < 3 || push.items[0].text != "message") return;
      listening.with([&](Listening& it) {
        if (it.connected && it.listener != nullptr) it.listener->heard(push.items[2].text);
      });
    }

    // The connection takes commands only when up() has returned: the first one is sent by the next post().
    void begin() {
      if (options.way != Way::stream) return;
      const bool first = connection.with([](Connection& it) { return it.up && !std::exchange(it.reading, true); });
      if (first) read();
    }
    void read() {
      const std::string after = connection.lock()->last_id;
      ask([this, after](Dedicated& dedicated, std::uint64_t life) {
        Command command("XREAD", "COUNT", 500, "BLOCK", read_block.count(), "STREAMS", options.name, after);
        dedicated.send(
            std::move(command), Deadline::in(read_block + patience),
            [self = shared_from_this(), life](Result<Value>&& reply) { self->took(std::move(reply), life); });
      });
    }
    void took(Result<Value> reply, std::uint64_t life) {
      if (!reply) {
        connection.with([&](Connection& it) { it.reading &= it.life != life; });
        return;
      }
      // A map in RESP3, pairs in RESP2; of the one stream that was asked for.
      const std::vector<Value>* entries = nullptr;
      if (reply->kind == Kind::map && reply->items.size() >= 2)
        entries = &reply->items[1].items;
      else if (reply->is_list() && !reply->items.empty() && reply->items[0].items.size() >= 2)
        entries = &reply->items[0].items[1].items;
      for (std::size_t i = 0; entries != nullptr && i < entries->size(); ++i) {
        const Value& entry = (*entries)[i];
        if (entry.items.size() < 2) continue;
        connection.lock()->last_id = entry.items[0].text;
        listening.with([&](Listening& it) {
          if (it.listener != nullptr && entry.items[1].items.size() >= 2)
            it.listener->heard(entry.items[1].items[1].text);
        });
      }
      read();
    }
    template <class Fn>
    void ask(const Fn& fn) {
      // Without the lock: what cannot be sent is answered at once, by a callback that comes back here.
      const auto [dedicated, life] =
          connection.with([](const Connection& it) { return std::pair(it.up ? it.dedicated : nullptr, it.life); });
      if (dedicated != nullptr) fn(*dedicated, life);
    }
  };
  RedisBackplane& owner_;
  const std::shared_ptr<State> state_;
};

RedisBackplane::RedisBackplane(RedisBackplaneOptions options, Client& client, const Clock& clock)
    : options_(std::move(options)),
      client_(client),
      clock_(clock),
      sender_(client.dedicate({.name = "chaveiro-news", .key = options_.name})) {}

RedisBackplane::~RedisBackplane() = default;

void RedisBackplane::post(std::string bytes, Deadline limit) {
  if (replays())
    sender_->send(Command("XADD", options_.name, "MAXLEN", "~", options_.stream_max, "*", "b", bytes), limit,
                  [](Result<Value>&&) {});
  else
    sender_->send(Command("PUBLISH", options_.name, bytes), limit, [](Result<Value>&&) {});
  remember();
  membership_.with([](const Membership& it) {
    if (it.reader != nullptr) it.reader->begin();
  });
}

void RedisBackplane::remember() {
  const SteadyTime now = clock_.steady();
  const std::uint64_t publisher = membership_.with([&](Membership& it) -> std::uint64_t {
    if (it.publisher == 0 || (it.told != SteadyTime::min() && now - it.told < remember_interval)) return 0;
    it.told = now;
    return it.publisher;
  });
  if (publisher == 0) return;
  const std::int64_t ms = ms_of(clock_.now());
  sender_->send(Command("ZADD", members_key(), ms, publisher), Deadline::in(patience), [this](Result<Value>&& done) {
    if (!done) membership_.lock()->told = SteadyTime::min();
  });
  const std::int64_t old = ms - std::chrono::duration_cast<std::chrono::milliseconds>(options_.member_time).count();
  sender_->send(Command("ZREMRANGEBYSCORE", members_key(), "-inf", old), Deadline::in(patience),
                [](Result<Value>&&) {});
}

Result<std::unique_ptr<cache::Backplane::Following>> RedisBackplane::follow(cache::BackplaneListener& listener,
                                                                            std::uint64_t publisher) {
  membership_.lock()->publisher = publisher;
  auto reader = std::make_unique<Reader>(*this, listener);
  membership_.lock()->reader = reader.get();
  return std::unique_ptr<Following>(std::move(reader));
}

void RedisBackplane::leave(std::uint64_t publisher) {
  membership_.lock()->publisher = 0;
  sender_->send(Command("ZREM", members_key(), publisher), Deadline::in(patience), [](Result<Value>&&) {});
}

}  // namespace chaveiro::redis
