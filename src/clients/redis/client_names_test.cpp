// A client whose server is known by a name: the name moves, hangs, has several addresses.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients/redis/client.h"
#include "clients/redis/double.h"
#include "clients/redis/names.h"
#include "clients/redis/socket.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;

Deadline soon() { return Deadline::in(20s); }

// What the name server says, and whether it says anything.
struct NameServer {
  struct State {
    std::vector<std::string> addresses;
    bool hangs = false;
    std::size_t asked = 0;
  };
  std::shared_ptr<Guarded<State>> state = std::make_shared<Guarded<State>>();

  ~NameServer() { answer(); }
  void point_to(std::vector<std::string> addresses) const {
    state->with([&](State& it) { it.addresses = std::move(addresses); });
  }
  void hang() const {
    state->with([](State& it) { it.hangs = true; });
  }
  void answer() const {
    state->with([](State& it) { it.hangs = false; });
    state->notify_all();
  }
  std::size_t asked() const { return state->lock()->asked; }
  Options options() const {
    Options options;
    options.connections = 1;
    options.look_up = [state = state](const std::string&) -> Result<std::vector<std::string>> {
      auto it = state->lock();
      ++it->asked;
      state->notify_all();
      it.wait(Deadline::never(), [](const State& now) { return !now.hangs; });
      return it->addresses;
    };
    return options;
  }
};

class RedisByName : public testing::Test {
 protected:
  static constexpr const char* old_address = "127.0.0.1";
  static constexpr const char* new_address = "127.0.0.2";

  // Two servers on one port of two addresses; each knows who it is.
  void SetUp() override {
    for (int tries = 0; tries < 20 && !new_; ++tries) {
      old_ = Double::start({.address = old_address}, clock_).value();
      auto other = Double::start({.address = new_address, .port = old_->port()}, clock_);
      if (other) new_ = std::move(*other);
    }
    ASSERT_TRUE(new_);
    old_->command({"SET", "who", "old"});
    new_->command({"SET", "who", "new"});
    names_.point_to({old_address});
  }
  std::unique_ptr<Client> client_of(const Options& options) const {
    return Client::create(parse_url("redis://redis.test:" + std::to_string(old_->port()) + "/0", options).value())
        .value();
  }
  // Dials may fail before that.
  static bool becomes(Client& client, const std::string& expected) {
    const Deadline deadline = soon();
    while (who(client) != expected) {
      if (deadline.expired()) return false;
    }
    return true;
  }
  static std::string who(Client& client) {
    return as_text(client.call(Command("GET", "who"), soon())).value_or("nobody");
  }

  SystemClock clock_;
  std::unique_ptr<Double> old_, new_;
  NameServer names_;
};

TEST_F(RedisByName, follows_a_name_that_moved_when_its_connection_ends) {
  const auto client = client_of(names_.options());
  EXPECT_EQ(who(*client), "old");
  names_.point_to({new_address});
  EXPECT_EQ(who(*client), "old") << "a connection that stands is not given up for a name";
  old_->close_connections();  // and goes on listening
  EXPECT_EQ(who(*client), "new");
  EXPECT_EQ(old_->connections(), 0U);
}

TEST_F(RedisByName, follows_a_name_that_moved_because_its_server_is_no_master_any_more) {
  const auto client = client_of(names_.options());
  EXPECT_EQ(who(*client), "old");
  names_.point_to({new_address});
  old_->set_fault(
      {.kind = DoubleFault::Kind::error, .command = "SET", .text = "READONLY You can't write against a replica."});
  EXPECT_TRUE(expect_ok(client->call(Command("SET", "k", "v"), soon())));
  EXPECT_EQ(as_text(client->call(Command("GET", "k"), soon())).value_or(""), "v");
  EXPECT_EQ(new_->command({"GET", "k"}).text, "v");
  EXPECT_EQ(who(*client), "new");
}

TEST_F(RedisByName, goes_on_to_the_next_address_where_nobody_listens) {
  names_.point_to({"127.0.0.3", new_address});
  const auto client = client_of(names_.options());
  EXPECT_EQ(who(*client), "new");
}

// What was begun there never comes about, and nobody says so: two connections fill the queue of those that were not accepted.
struct Silent {
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::vector<Socket> begun;

  Silent(const char* digits, std::uint16_t port) {
    net::Address address = *Names::in_digits(digits, port);
    auto* const bound = reinterpret_cast<sockaddr*>(&address.storage);
    EXPECT_EQ(::bind(listener, bound, address.size), 0);
    EXPECT_EQ(::listen(listener, 0), 0);
    for (int i = 0; i < 4; ++i) begun.push_back(Socket::connect(address).value());
  }
  ~Silent() { ::close(listener); }
};

TEST_F(RedisByName, gives_each_address_its_share_of_the_time) {
  const Silent silent("127.0.0.4", old_->port());
  names_.point_to({"127.0.0.4", new_address});
  Options options = names_.options();
  options.dial_timeout = 400ms;
  const auto client = client_of(options);
  EXPECT_TRUE(becomes(*client, "new"));
}

TEST_F(RedisByName, begins_elsewhere_when_an_address_takes_connections_and_says_nothing) {
  old_->set_fault({.kind = DoubleFault::Kind::silence});
  names_.point_to({old_address, new_address});
  Options options = names_.options();
  options.dial_timeout = 400ms;
  const auto client = client_of(options);
  EXPECT_TRUE(becomes(*client, "new"));
}

TEST_F(RedisByName, answers_nobody_late_because_a_name_hangs) {
  const auto client = client_of(names_.options());
  EXPECT_EQ(who(*client), "old");
  names_.hang();
  const std::size_t before = names_.asked();
  // On the same I/O thread, and on its way to a server whose name is not answered.
  const auto other = client->dedicate({.node = Endpoint{"other.test", old_->port(), {}}});
  ASSERT_TRUE(names_.state->lock().wait(soon(), [&](const auto& it) { return it.asked > before; }));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(who(*client), "old");
  EXPECT_FALSE(other->up());
}

TEST_F(RedisByName, gives_up_at_the_deadline_while_the_name_hangs_and_connects_when_it_does_not) {
  names_.hang();
  Options options = names_.options();
  options.dial_timeout = 300ms;
  const auto client = client_of(options);
  const auto refused = client->call(Command("GET", "who"), Deadline::in(100ms));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().code == Code::deadline || refused.error().code == Code::unavailable);
  names_.answer();
  EXPECT_TRUE(becomes(*client, "old"));
}

TEST_F(RedisByName, waits_for_no_name_when_it_is_destroyed) {
  names_.hang();
  auto client = client_of(names_.options());
  ASSERT_TRUE(names_.state->lock().wait(soon(), [](const auto& it) { return it.asked > 0; }));
  client.reset();  // would not return
  names_.answer();
}

}  // namespace
}  // namespace chaveiro::redis
