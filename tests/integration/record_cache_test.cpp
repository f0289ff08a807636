// The cache in front of a real store: whatever was answered is seen by every read that begins afterwards. Linked once with the store in
// memory and once with SQLite.
#include "app/record_cache.h"

#include <atomic>
#include <set>
#include <thread>

#include "app/import.h"
#include "base/random.h"
#include "cache/map_tier.h"
#include "directory/packed.h"
#include "tests/simulation/directory_world.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;
using namespace directory;
using cache::MapTier;

constexpr auto never = [] { return Deadline::never(); };

Digest hash_of(const World& world, const Key& key) { return lookup_hash_of(HmacKey(world.secret.expose()), key); }

struct CachedWorld : World {
  explicit CachedWorld(RecordCacheOptions options = {}) : l3(clock) { open(options); }
  ~CachedWorld() {
    store.on_commit({});
    store.on_forget({});
  }

  void open(const RecordCacheOptions& options) {
    cache = RecordCache::make(options, {.store = counted,
                                        .installation_key = secret,
                                        .clock = clock,
                                        .metrics = metrics,
                                        .l3 = with_l3 ? &l3 : nullptr})
                .value();
    store.on_commit([this](std::uint64_t sequence, const Change& change) { cache->committed(sequence, change); });
    store.on_forget([this] { cache->forget(); });
  }
  void reopen_with_l3(const RecordCacheOptions& options = {}) {
    with_l3 = true;
    open(options);
  }

  // Counts what reaches the store.
  struct Counted final : Reads {
    explicit Counted(Reads& its_store) : store(its_store) {}
    Result<std::optional<Entry>> live_entry(const Key& key, Deadline deadline) override {
      return ++reads, store.live_entry(key, deadline);
    }
    Result<std::optional<Entry>> entry(const EntryId& id, Deadline deadline) override {
      return ++reads, store.entry(id, deadline);
    }
    Result<std::optional<Account>> account(const AccountId& id, Deadline deadline) override {
      return ++reads, store.account(id, deadline);
    }
    Result<std::optional<Claim>> claim(const ClaimId& id, Deadline deadline) override {
      return ++reads, store.claim(id, deadline);
    }
    Reads& store;
    std::atomic<int> reads = 0;
  };

  MapTier l3;
  bool with_l3 = false;
  chaveiro::Registry metrics;
  Counted counted{store};
  std::unique_ptr<RecordCache> cache;

  // Everything that is known by name, read through the cache and from the store.
  std::set<EntryId> entry_ids;
  std::set<Key> keys;
  std::set<AccountId> account_ids;
  std::set<ClaimId> claim_ids;
  void know(const Entry& entry) { entry_ids.insert(entry.id), keys.insert(entry.key); }

  void expect_the_truth() { expect_the_truth(*cache); }
  void expect_the_truth(RecordCache& of) {
    for (const EntryId& id : entry_ids) {
      const auto truth = store.entry(id, never()).value();
      ASSERT_EQ(of.entry(id, never()).value(), truth);
      const auto claim = truth && truth->open_claim ? std::optional(truth->open_claim->id) : std::nullopt;
      ASSERT_EQ(of.open_claim_of(id, never()).value(), claim);
    }
    for (const Key& key : keys) {
      const auto truth = store.live_entry(key, never()).value();
      ASSERT_EQ(of.live_entry(key, never()).value(), truth);
      const auto seen = of.peek(key, hash_of(*this, key));
      if (seen) {
        ASSERT_EQ(*seen != nullptr, truth.has_value());
        if (*seen) {
          ASSERT_EQ(**seen, *truth);
        }
      }
    }
    for (const AccountId& id : account_ids)
      ASSERT_EQ(of.account(id, never()).value(), store.account(id, never()).value());
    for (const ClaimId& id : claim_ids) {
      const auto truth = store.claim(id, never()).value();
      ASSERT_EQ(of.claim(id, never()).value(), truth);
      ASSERT_EQ(of.claim_status(id, never()).value(), truth ? std::optional(truth->status) : std::nullopt);
    }
  }
};

TEST(RecordCache, answers_what_was_just_written_without_asking_the_store) {
  CachedWorld world;
  const Account ana = world.account(bank_a, natural(1));
  const Entry made = world.phone(ana, 5);
  world.counted.reads = 0;
  EXPECT_EQ(world.cache->live_entry(made.key, never()).value(), made);
  EXPECT_EQ(world.cache->entry(made.id, never()).value(), made);
  EXPECT_EQ(world.cache->account(ana.id, never()).value(), ana);
  EXPECT_EQ(world.counted.reads, 0);
}

TEST(RecordCache, learns_from_a_claim_that_a_key_exists_and_forgets_it_with_everything) {
  CachedWorld world;
  const Entry made = world.phone(world.account(bank_a, natural(1)), 5);
  EXPECT_FALSE(world.cache->existence().peek(made.key.value())) << "what is ours, the store says";
  const Claim claim = world.claim(world.account(bank_b, natural(1)), 5);
  const auto known = world.cache->existence().peek(made.key.value());
  ASSERT_TRUE(known);
  EXPECT_EQ(known->directory, claim.updated_at);
  world.cache->forget();
  EXPECT_FALSE(world.cache->existence().peek(made.key.value())) << "as after an erasure";
}

TEST(RecordCache, keeps_each_kind_for_its_own_time) {
  CachedWorld world;
  const Account ana = world.account(bank_a, natural(1));
  const Entry made = world.phone(ana, 5);
  const Claim claim = world.claim(world.account(bank_b, natural(1)), 5);
  const auto reads = [&](const auto& read) {
    const int before = world.counted.reads;
    read();
    return world.counted.reads - before;
  };
  const auto by_key = [&] { (void)world.cache->live_entry(made.key, never()).value(); };
  const auto account = [&] { (void)world.cache->account(ana.id, never()).value(); };
  const auto status = [&] { (void)world.cache->claim_status(claim.id, never()).value(); };
  EXPECT_EQ(reads(by_key) + reads(account) + reads(status), 0);
  world.clock.advance(59s);
  EXPECT_EQ(reads(status), 0);
  world.clock.advance(2s);
  EXPECT_EQ(reads(status), 1);
  EXPECT_EQ(reads(by_key), 0);
  world.clock.advance(4min);
  EXPECT_EQ(reads(by_key), 1);
  EXPECT_EQ(reads(account), 0);
  world.clock.advance(5min);
  EXPECT_EQ(reads(account), 1);
}

TEST(RecordCache, options_change_the_times_and_can_bound_memory) {
  RecordCacheOptions options;
  options.times.entry = 10s;
  options.memory_ttl_max = 3s;
  CachedWorld world(options);
  const Entry made = world.phone(world.account(bank_a, natural(1)), 5);
  const auto stays = [&] { return world.cache->peek(made.key, hash_of(world, made.key)).has_value(); };
  EXPECT_TRUE(stays());
  world.clock.advance(4s);
  EXPECT_FALSE(stays());
  world.reopen_with_l3(options);
  EXPECT_TRUE(world.cache->live_entry(made.key, never()).value());
  world.clock.advance(4s);
  world.counted.reads = 0;
  EXPECT_TRUE(world.cache->live_entry(made.key, never()).value()) << "the slower level has it for its whole time";
  EXPECT_EQ(world.counted.reads, 0);
}

TEST(RecordCache, nothing_of_a_person_stands_in_the_names_that_a_level_sees) {
  CachedWorld world;
  world.reopen_with_l3();
  const Entry made = world.phone(world.account(bank_a, natural(1)), 5);
  EXPECT_TRUE(world.l3.raw(world.cache->keys().entry_by_key("PHONE", made.key.value()).wire));
  EXPECT_FALSE(world.l3.raw("dict:entry:key:PHONE:" + made.key.value()));
  EXPECT_EQ(world.cache->keys().wire_of("dict:entry:key:PHONE:" + made.key.value()),
            world.cache->keys().entry_by_key("PHONE", made.key.value()).wire);
  RecordCacheOptions plain;
  plain.personal = cache::PersonalKeys::plain;
  world.reopen_with_l3(plain);
  EXPECT_TRUE(world.cache->live_entry(made.key, never()).value());
  EXPECT_TRUE(world.l3.raw("dict:entry:key:PHONE:" + made.key.value()));
}

TEST(RecordCache, every_kind_of_change_is_seen_at_once) {
  CachedWorld world;
  world.reopen_with_l3();
  const auto see = [&](const char* what) {
    SCOPED_TRACE(what);
    world.expect_the_truth();
  };
  const Account ana = world.account(bank_a, natural(1)), anas_other = world.account(bank_a, natural(1), "77");
  const Account elsewhere = world.account(bank_b, natural(1));
  for (const Account& account : {ana, anas_other, elsewhere}) world.account_ids.insert(account.id);
  Entry entry = world.phone(ana, 5);
  world.know(entry);
  see("create");
  entry = world.entries.update(staff(bank_a), {.id = entry.id, .account = anas_other.id}).value();
  see("update");
  (void)world.entries.block(staff(bank_a), entry.id, "order 1").value();
  see("block");
  (void)world.entries.unblock(staff(bank_a), entry.id, "order 2").value();
  see("unblock");
  Claim claim = world.claim(elsewhere, 5);
  world.claim_ids.insert(claim.id);
  see("start of a claim");
  (void)world.claims.acknowledge(staff(bank_a), claim.id).value();
  see("acknowledge");
  (void)world.claims.confirm(staff(bank_a), claim.id, Reason::user_requested).value();
  see("confirm");
  claim = world.claims.complete(staff(bank_b), {.id = claim.id}).value();
  world.entry_ids.insert(*claim.completed_entry);
  see("complete");
  const Claim second = world.claim(ana, 5);
  world.claim_ids.insert(second.id);
  see("a claim back");
  (void)world.claims.cancel(staff(bank_a), second.id, ClaimRole::claimer, Reason::user_requested).value();
  see("cancel");
  (void)world.entries.remove(staff(bank_b), *claim.completed_entry, Reason::user_requested).value();
  see("delete");
  for (const Account& account : {ana, anas_other}) (void)world.accounts.close(staff(bank_a), account.id).value();
  (void)world.accounts.close(staff(bank_b), elsewhere.id).value();
  see("close");
  EXPECT_GT(world.store.erase_person(cpf_of(1), {}, world.clock.now(), never()).value(), 0u);
  see("erasure");
  world.clock.advance(1h);
  EXPECT_GT(world.store.purge(world.clock.now(), {}, world.clock.now(), never()).value(), 0u);
  see("purge");
  Importer importer(world.store, world.clock, {.served = {bank_a, bank_b}});
  const std::string line = R"({"key_type":"PHONE","key":")" + phone_of(5) +
                           R"(","account":{"ispb":"11111111","branch":"0001","number":"9","type":"CACC",)"
                           R"("opening_date":"2010-01-10T03:00:00Z"},"owner":{"type":"NATURAL_PERSON","tax_id":")" +
                           cpf_of(2) + R"(","name":"Ana"}})";
  ASSERT_TRUE(importer.add_json(1, line, never()));
  EXPECT_EQ(importer.finish(never()).value().entries_created, 1u);
  EXPECT_TRUE(world.holder_of(5));
  see("import");
}

Entry numbered(std::size_t number) {
  char text[64];
  std::snprintf(text, sizeof text, "pessoa.%06zu@example.com", number);
  Entry entry = blank_entry();
  entry.key = Key::parse(KeyType::email, text, {}).value();
  std::snprintf(text, sizeof text, "%08zx-0000-7000-8000-%012zx", number, number);
  entry.id = EntryId::parse(text).value();
  entry.account.id = AccountId::parse(text).value();
  entry.account.ispb = bank_a;
  entry.account.branch = "0001";
  entry.account.number = std::to_string(10'000'000 + number);
  entry.account.holder = {PersonType::natural, cpf_of(1), "Maria Aparecida dos Santos", {}};
  entry.status = EntryStatus::active;
  return entry;
}
// As an import brings them in: each with its account.
void bring_in(RecordCache& cache, std::size_t number) {
  const Entry entry = numbered(number);
  Change change;
  change.writes.push_back(Put<Account>{std::nullopt, entry.account});
  change.writes.push_back(Put<Entry>{std::nullopt, entry});
  cache.committed(number + 1, change);
}
cache::MemoryStats memory_of(const RecordCache& cache, std::string_view name) {
  return cache.catalogue().find(name)->memory();
}

TEST(RecordCache, a_hundred_thousand_entries_with_their_accounts_fit_in_the_default_memory) {
  constexpr std::size_t count = 100'000;
  CachedWorld world;
  for (std::size_t number = 0; number < count; ++number) {
    bring_in(*world.cache, number);
    if (number % 1'000 == 0) world.cache->tick(false);
  }
  std::size_t bytes = 0;
  for (const char* name : {"entries", "entry-ids", "accounts"}) {
    const cache::MemoryStats stats = memory_of(*world.cache, name);
    EXPECT_EQ(stats.entries, count) << name;
    EXPECT_EQ(stats.evicted, 0u) << name;
    bytes += stats.bytes;
  }
  EXPECT_LE(bytes, RecordCacheOptions{}.bytes_max);
  world.counted.reads = 0;
  for (std::size_t number = 0; number < count; number += 97) {
    const Entry entry = numbered(number);
    ASSERT_TRUE(world.cache->peek(entry.key, hash_of(world, entry.key)));
    ASSERT_EQ(world.cache->entry(entry.id, never()).value()->key, entry.key);
    ASSERT_TRUE(world.cache->account(entry.account.id, never()).value());
  }
  EXPECT_EQ(world.counted.reads, 0);
}

TEST(RecordCache, an_entry_is_kept_once_and_takes_few_bytes) {
  constexpr std::size_t count = 20'000;
  CachedWorld world;
  const std::size_t empty = memory_of(*world.cache, "entries").bytes,
                    nameless = memory_of(*world.cache, "entry-ids").bytes;
  for (std::size_t number = 0; number < count; ++number) bring_in(*world.cache, number);
  const std::size_t entry = (memory_of(*world.cache, "entries").bytes - empty) / count;
  const std::size_t name = (memory_of(*world.cache, "entry-ids").bytes - nameless) / count;
  RecordProperty("bytes_per_entry", static_cast<int>(entry));
  RecordProperty("bytes_per_id", static_cast<int>(name));
  EXPECT_LE(entry, 420u);
  EXPECT_LE(name, 210u) << "the second name of an entry is no second copy";
}

TEST(RecordCache, an_entry_leaves_memory_by_either_of_its_names) {
  CachedWorld world;
  const Entry made = world.phone(world.account(bank_a, natural(1)), 5);
  const std::string by_key = world.cache->keys().entry_by_key("PHONE", made.key.value()).wire;
  const std::string by_id = world.cache->keys().entry_by_id(to_string(made.id)).wire;
  for (const std::string& name : {by_key, by_id}) {
    EXPECT_EQ(world.cache->live_entry(made.key, never()).value(), made);
    EXPECT_EQ(world.cache->entry(made.id, never()).value(), made);
    ASSERT_TRUE(world.cache->peek(made.key, hash_of(world, made.key)));
    cache::Administered* const owner = world.cache->catalogue().owner_of(name);
    EXPECT_TRUE(owner->show(name, never()).value()->found);
    EXPECT_EQ(owner->explain(name, never()).answers, cache::Level::l1);
    (void)owner->invalidate(name, 0, never());
    EXPECT_FALSE(world.cache->peek(made.key, hash_of(world, made.key)));
    EXPECT_FALSE(owner->show(name, never()).value());
  }
}

TEST(RecordCache, an_id_whose_key_went_to_another_entry_answers_its_own) {
  CachedWorld world;
  const Account ana = world.account(bank_a, natural(1));
  const Entry first = world.phone(ana, 5);
  // Another node, which is told of nothing, still knows the key by the first entry's id.
  chaveiro::Registry metrics;
  const auto other =
      RecordCache::make(
          {}, {.store = world.counted, .installation_key = world.secret, .clock = world.clock, .metrics = metrics})
          .value();
  EXPECT_EQ(other->entry(first.id, never()).value(), first);
  (void)world.entries.remove(staff(bank_a), first.id, Reason::user_requested).value();
  const Entry second = world.phone(ana, 5);
  (void)other->catalogue().find("entries")->clear(never());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(other->entry(first.id, never()).value()->status, EntryStatus::deleted);
    EXPECT_EQ(other->entry(second.id, never()).value(), second);
  }
}

// One step of somebody at random, refused or not.
class Chance {
 public:
  Chance(CachedWorld& world, std::uint64_t seed) : world_(world), random_(seed) {}

  void step() {
    const Ispb at = pick({bank_a, bank_b, bank_c});
    const auto reason = Reason::user_requested;
    switch (random_.below(16)) {
      case 0:
        return (void)account(at);
      case 1:
      case 2:
      case 3: {
        if (auto made = world_.try_phone(account(at), number())) world_.know(*made);
        return;
      }
      case 4: {
        if (auto made = world_.entries.create(staff(at), {KeyType::evp, {}, account(at).id, reason, {}}))
          world_.know(*made);
        return;
      }
      case 5:
        if (const auto id = any(world_.entry_ids))
          (void)world_.entries.update(staff(at), {.id = *id, .name = std::string(1 + random_.below(20), 'a')});
        return;
      case 6:
        if (const auto id = any(world_.entry_ids)) (void)world_.entries.remove(staff(at), *id, reason);
        return;
      case 7:
        if (const auto id = any(world_.entry_ids)) (void)world_.entries.block(staff(at), *id, "order");
        return;
      case 8:
        if (const auto id = any(world_.entry_ids)) (void)world_.entries.unblock(staff(at), *id, "order");
        return;
      case 9:
      case 10: {
        if (auto claim = world_.try_claim(account(at), number())) world_.claim_ids.insert(claim->id);
        return;
      }
      case 11:
        return claim_step(at);
      case 12:
        if (const auto id = any(world_.account_ids)) (void)world_.accounts.close(staff(at), *id);
        return;
      case 13:
        return (void)world_.store.erase_person(cpf_of(person()), {}, world_.clock.now(), never());
      case 14:
        world_.clock.advance(std::chrono::seconds{random_.below(200'000)});
        if (random_.below(4) == 0) (void)world_.store.purge(world_.clock.now() - 24h, {}, world_.clock.now(), never());
        return;
      default:
        world_.l3.set_fault(
            pick({MapTier::Fault::none, MapTier::Fault::none, MapTier::Fault::dead, MapTier::Fault::loses_answer}));
        return;
    }
  }

 private:
  template <class T>
  T pick(std::initializer_list<T> of) {
    return *(of.begin() + random_.below(of.size()));
  }
  template <class T>
  std::optional<T> any(const std::set<T>& of) {
    if (of.empty()) return std::nullopt;
    return *std::next(of.begin(), static_cast<std::ptrdiff_t>(random_.below(of.size())));
  }
  unsigned person() { return static_cast<unsigned>(1 + random_.below(4)); }
  unsigned number() { return static_cast<unsigned>(random_.below(12)); }
  Account account(const Ispb& at) {
    const Person holder = natural(person());
    const std::string account_number = std::to_string(10 * random_.below(1'000'000) + 1);
    if (const auto id = any(world_.account_ids); id && random_.below(4) != 0) {
      if (const auto known = world_.store.account(*id, never()).value(); known) return *known;
    }
    const Account made = world_.account(at, holder, account_number);
    world_.account_ids.insert(made.id);
    return made;
  }
  void claim_step(const Ispb& at) {
    const auto id = any(world_.claim_ids);
    if (!id) return;
    switch (random_.below(4)) {
      case 0:
        return (void)world_.claims.acknowledge(staff(at), *id);
      case 1:
        return (void)world_.claims.confirm(staff(at), *id, Reason::user_requested);
      case 2:
        return (void)world_.claims.cancel(staff(at), *id, pick({ClaimRole::donor, ClaimRole::claimer}),
                                          Reason::user_requested);
      default:
        if (const auto done = world_.claims.complete(staff(at), {.id = *id}); done && done->completed_entry)
          world_.entry_ids.insert(*done->completed_entry);
    }
  }

  CachedWorld& world_;
  Random random_;
};

TEST(RecordCache, random_changes_leave_no_stale_answer) {
  const char* given = std::getenv("CHAVEIRO_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : random_u64();
  SCOPED_TRACE("again with CHAVEIRO_SEED=" + std::to_string(seed));
  CachedWorld world;
  world.reopen_with_l3();
  Chance chance(world, seed);
  for (int i = 0; i < 1'500; ++i) {
    chance.step();
    if (i % 64 == 63) world.cache->tick(false);
    world.expect_the_truth();
    if (::testing::Test::HasFatalFailure()) {
      ADD_FAILURE() << "after step " << i;
      return;
    }
  }
  EXPECT_GT(world.entry_ids.size(), 20u);
}

// Another node, with memory of its own, that hears of nothing but what it is told.
TEST(RecordCache, a_node_that_is_told_what_others_wrote_shows_nothing_old) {
  const char* given = std::getenv("CHAVEIRO_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : random_u64();
  SCOPED_TRACE("again with CHAVEIRO_SEED=" + std::to_string(seed));
  CachedWorld world;
  chaveiro::Registry metrics;
  const auto other =
      RecordCache::make(
          {}, {.store = world.counted, .installation_key = world.secret, .clock = world.clock, .metrics = metrics})
          .value();
  std::size_t told = 0;
  world.cache->tell_others([&](std::span<const cache::Invalidation> news) {
    for (const cache::Invalidation& one : news) {
      other->catalogue().with(one.cache, [&](cache::Administered& cache) { cache.heard(one), ++told; });
    }
  });
  Chance chance(world, seed);
  for (int i = 0; i < 600; ++i) {
    chance.step();
    world.expect_the_truth(*other);
    if (::testing::Test::HasFatalFailure()) {
      ADD_FAILURE() << "after step " << i;
      return;
    }
  }
  EXPECT_GT(told, 20u);
}

TEST(RecordCache, forgets_what_another_process_changed_in_the_store) {
  CachedWorld world;
  chaveiro::Registry metrics;
  const auto other =
      RecordCache::make(
          {}, {.store = world.counted, .installation_key = world.secret, .clock = world.clock, .metrics = metrics})
          .value();
  const Entry made = world.phone(world.account(bank_a, natural(1)), 5);
  EXPECT_EQ(other->entry(made.id, never()).value(), made);
  EXPECT_EQ(other->live_entry(made.key, never()).value(), made);
  const Entry after = world.entries.update(staff(bank_a), {.id = made.id, .name = "b"}).value();
  EXPECT_EQ(other->live_entry(made.key, never()).value(), made) << "it was not told";
  other->changed_elsewhere(after.key, after.version);
  EXPECT_EQ(other->live_entry(made.key, never()).value(), after);
  EXPECT_EQ(other->entry(made.id, never()).value(), after);
  world.counted.reads = 0;
  other->changed_elsewhere(after.key, after.version);
  EXPECT_EQ(other->live_entry(made.key, never()).value(), after);
  EXPECT_EQ(world.counted.reads, 0) << "what is as new stays";
}

// Writers of entries of their own, and readers of all of them: each sees at least what was answered before it looked.
TEST(RecordCache, readers_on_other_threads_never_see_less_than_was_answered) {
  constexpr unsigned writers = 2, changes = 150;
  CachedWorld world;
  std::vector<Entry> entries;
  for (unsigned i = 0; i < writers; ++i) entries.push_back(world.phone(world.account(bank_a, natural(i + 1)), i));
  std::array<std::atomic<std::uint64_t>, writers> answered{};
  std::atomic<unsigned> writing = writers;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < writers; ++i) {
    threads.emplace_back([&, i] {
      for (unsigned n = 0; n < changes; ++n) {
        const auto after =
            world.entries.update(staff(bank_a), {.id = entries[i].id, .name = std::string(1 + n % 2, 'a')});
        EXPECT_TRUE(after) << after.error().message;
        if (!after) break;
        answered[i] = after->version;
        if (n % 8 == 0) world.cache->forget();
      }
      --writing;
    });
  }
  for (unsigned reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      while (writing > 0) {
        for (unsigned i = 0; i < writers; ++i) {
          const std::uint64_t least = answered[i];
          const auto by_key = world.cache->live_entry(entries[i].key, never()).value();
          ASSERT_TRUE(by_key);
          ASSERT_GE(by_key->version, least);
          ASSERT_GE(world.cache->entry(entries[i].id, never()).value()->version, least);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(RecordCache, keeps_of_others_only_what_the_regulator_allows) {
  CachedWorld world;
  const Entry of_a_company = world.phone(world.account(bank_a, legal(7)), 5);
  const Entry of_a_person = world.phone(world.account(bank_a, natural(1)), 6);
  const Digest company = hash_of(world, of_a_company.key), person = hash_of(world, of_a_person.key);
  const auto share = [](const Entry& entry) { return std::make_shared<const Entry>(entry); };
  world.cache->keep_foreign(person, share(of_a_person), "max-age=60", 0s);
  EXPECT_FALSE(world.cache->foreign(person)) << "natural persons are not kept";
  world.cache->keep_foreign(company, share(of_a_company), "", 0s);
  EXPECT_FALSE(world.cache->foreign(company)) << "without Cache-Control nothing is kept";
  world.cache->keep_foreign(company, share(of_a_company), "max-age=600", 0s);
  ASSERT_TRUE(world.cache->foreign(company));
  world.clock.advance(179s);
  EXPECT_TRUE(world.cache->foreign(company));
  world.clock.advance(1s);
  EXPECT_FALSE(world.cache->foreign(company)) << "180 s is the regulator's most";
  world.cache->keep_foreign(company, share(of_a_company), "max-age=60", 20s);
  world.clock.advance(41s);
  EXPECT_FALSE(world.cache->foreign(company)) << "never above Cache-Control";
}

TEST(RecordCache, refuses_what_the_regulator_forbids_with_the_rule_named) {
  World world;
  chaveiro::Registry metrics;
  RecordCacheOptions options;
  options.times.foreign = 181s;
  const auto refused = RecordCache::make(
      options, {.store = world.store, .installation_key = world.secret, .clock = world.clock, .metrics = metrics});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "RegulatorForbids");
  EXPECT_NE(refused.error().message.find("foreign_ttl"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace chaveiro::app
