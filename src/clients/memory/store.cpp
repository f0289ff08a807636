#include "clients/memory/store.h"

#include <algorithm>
#include <set>

#include "clients/memory/tables.h"
#include "directory/chronicle.h"
#include "directory/erasure.h"
#include "directory/happened.h"

namespace chaveiro::clients::memory {

using namespace directory;

struct MemoryStore::State : Tables {
  std::vector<AuditRecord> audit;  // in commit order, which is chain order: there is one writer
  std::map<Digest, SealKey> seal_keys;

  const SealKey& key_of(const Digest& person) {
    const auto [found, fresh] = seal_keys.try_emplace(person);
    if (fresh) found->second = new_seal_key();
    return found->second;
  }
  std::set<Ispb> participants() const {
    std::set<Ispb> found;
    for (const auto& [id, account] : accounts) found.insert(account.ispb);
    return found;
  }
};

struct MemoryStore::Writer {
  Chronicle chronicle;
  std::uint64_t sequence = 0;
  CommitHook hook;
  ForgetHook forget;
};

namespace {

constexpr std::uint64_t total_max = 10'000;

Error too_late() { return fail(Code::deadline, "Deadline", "the time ran out before the store was asked"); }
Error stale(std::string_view what) {
  return fail(Code::conflict, "Stale", std::string(what) + "; nothing was applied: read again and decide again");
}
Error bad_page() { return fail_field("page_size", "must lie between 1 and 200"); }

template <class Id>
bool lets_through(const std::optional<std::vector<Id>>& wanted, const Id& id) {
  return !wanted || std::find(wanted->begin(), wanted->end(), id) != wanted->end();
}

template <class T>
const T* find(const auto& rows, const auto& id) {
  const auto found = rows.find(id);
  return found == rows.end() ? nullptr : &found->second;
}
template <class T>
std::optional<T> copy_of(const T* found) {
  return found == nullptr ? std::nullopt : std::optional<T>(*found);
}

enum class Order { oldest_first, newest_first };

const auto& item_of(const auto& row) {
  if constexpr (requires { row.second; }) {
    return row.second;
  } else {
    return row;
  }
}

// One page of those rows that `wanted` lets through, in the order of their positions.
template <class T>
Page<T> page_of(const auto& rows, const PageRequest& request, const auto& wanted, const auto& position_of,
                Order order = Order::oldest_first) {
  std::vector<std::pair<Position, const T*>> found;
  for (const auto& row : rows)
    if (wanted(item_of(row))) found.emplace_back(position_of(item_of(row)), &item_of(row));
  std::sort(found.begin(), found.end(), [&](const auto& a, const auto& b) {
    return order == Order::oldest_first ? a.first < b.first : b.first < a.first;
  });
  Page<T> page;
  page.total = found.size() <= total_max ? found.size() : 0;
  for (const auto& [position, item] : found) {
    if (request.after && (order == Order::oldest_first ? position <= *request.after : position >= *request.after))
      continue;
    if (page.items.size() == request.limit) {
      page.next = position_of(page.items.back());
      break;
    }
    page.items.push_back(*item);
  }
  return page;
}
template <class T>
Position by_creation(const T& row) {
  return {row.created_at, row.id.uuid};
}

// Writers come one by one: what is told here still holds when the change is applied.
Result<bool> applied_first(events::Inbox& inbox, const events::Mark& mark, Deadline deadline) {
  events::DomainEvent event;
  event.event_id = mark.event_id;
  event.aggregate_id = mark.aggregate_id;
  TRY(const events::Inbox::Standing standing, inbox.standing(mark.subscription, event, deadline));
  return mark.version == 0 ? !standing.seen : mark.version > standing.applied;
}
Error already_applied() {
  return fail(Code::conflict, "AlreadyApplied", "the event was applied before; nothing was changed");
}

bool good_page(const PageRequest& page) { return page.limit >= 1 && page.limit <= page_limit_max; }

}  // namespace

class MemoryStore::Outbox final : public events::Outbox {
 public:
  void add(std::vector<events::OutboxEvent> happened) {
    rows_.with([&](Rows& rows) {
      for (events::OutboxEvent& event : happened) rows.emplace(event.position, std::move(event));
    });
  }
  Result<std::vector<events::OutboxEvent>> unpublished(std::uint64_t after, std::size_t limit, Deadline) override {
    std::vector<events::OutboxEvent> found;
    const auto rows = rows_.lock();
    for (auto at = rows->upper_bound(after); at != rows->end() && found.size() < limit; ++at)
      found.push_back(at->second);
    return found;
  }
  Result<void> published(std::span<const std::uint64_t> positions, Deadline) override {
    rows_.with([&](Rows& rows) {
      for (const std::uint64_t position : positions) rows.erase(position);
    });
    return {};
  }
  Result<events::OutboxDepth> depth(Deadline) override {
    const auto rows = rows_.lock();
    events::OutboxDepth depth{rows->size(), {}};
    if (!rows->empty()) depth.oldest = rows->begin()->second.message.event_time;
    return depth;
  }

 private:
  using Rows = std::map<std::uint64_t, events::OutboxEvent>;
  Guarded<Rows> rows_;
};

class MemoryStore::SyncAnswers final : public vsync::SyncAnswers {
 public:
  explicit SyncAnswers(events::Inbox& inbox) : inbox_(inbox) {}
  Result<bool> keep(const vsync::SyncAnswer& answer, const events::Mark& mark, Deadline deadline) override {
    auto rows = rows_.lock();
    TRY(const bool fresh, inbox_.mark(mark, deadline));
    if (!fresh) return false;
    vsync::SyncAnswer& known = rows->try_emplace({answer.participant, answer.key_type}, answer).first->second;
    if (known.verified_at <= answer.verified_at) known = answer;
    return true;
  }
  Result<std::vector<vsync::SyncAnswer>> last(Deadline) override {
    std::vector<vsync::SyncAnswer> found;
    const auto rows = rows_.lock();
    for (const auto& [about, answer] : *rows) found.push_back(answer);
    return found;
  }

 private:
  events::Inbox& inbox_;
  Guarded<std::map<std::pair<Ispb, KeyType>, vsync::SyncAnswer>> rows_;
};

MemoryStore::MemoryStore(const Secret& installation_key, std::string writer, Events events)
    : installation_key_(installation_key),
      outbox_(events == Events::kept ? std::make_unique<Outbox>() : nullptr),
      inbox_(events::memory_inbox()),
      sync_answers_(std::make_unique<SyncAnswers>(*inbox_)),
      writer_(std::make_unique<Guarded<Writer>>(std::in_place, Chronicle(std::move(writer), {}), 0u, CommitHook{})),
      state_(std::make_unique<Guarded<State>>()) {}

MemoryStore::~MemoryStore() = default;

vsync::SyncAnswers& MemoryStore::sync_answers() { return *sync_answers_; }

Result<std::optional<Entry>> MemoryStore::live_entry(const Key& key, Deadline deadline) {
  if (deadline.expired()) return too_late();
  const auto state = state_->lock();
  const EntryId* id = find<EntryId>(state->live_entries, key);
  return id == nullptr ? std::nullopt : copy_of(find<Entry>(state->entries, *id));
}

Result<std::optional<Entry>> MemoryStore::entry(const EntryId& id, Deadline deadline) {
  if (deadline.expired()) return too_late();
  return state_->with([&](State& state) { return copy_of(find<Entry>(state.entries, id)); });
}

Result<Page<Entry>> MemoryStore::entries(const EntryFilter& filter, const PageRequest& page, Deadline deadline) {
  if (deadline.expired()) return too_late();
  if (!good_page(page)) return bad_page();
  const auto wanted = [&](const Entry& entry) {
    return entry.ispb() == filter.ispb && lets_through(filter.accounts, entry.account.id) &&
           (!filter.key_type || entry.key.type() == *filter.key_type) &&
           (filter.status ? entry.status == *filter.status : entry.live());
  };
  return state_->with([&](State& state) { return page_of<Entry>(state.entries, page, wanted, by_creation<Entry>); });
}

Result<std::uint32_t> MemoryStore::slots_taken(const AccountId& account, Deadline deadline) {
  if (deadline.expired()) return too_late();
  return state_->with([&](State& state) { return copy_of(find<std::uint32_t>(state.slots, account)).value_or(0); });
}

Result<std::optional<Account>> MemoryStore::account(const AccountId& id, Deadline deadline) {
  if (deadline.expired()) return too_late();
  return state_->with([&](State& state) { return copy_of(find<Account>(state.accounts, id)); });
}

Result<Page<Account>> MemoryStore::accounts(const AccountFilter& filter, const PageRequest& page, Deadline deadline) {
  if (deadline.expired()) return too_late();
  if (!good_page(page)) return bad_page();
  const auto wanted = [&](const Account& account) {
    return account.ispb == filter.ispb && lets_through(filter.accounts, account.id) &&
           (!filter.holder_tax_id || account.holder.tax_id == *filter.holder_tax_id);
  };
  return state_->with(
      [&](State& state) { return page_of<Account>(state.accounts, page, wanted, by_creation<Account>); });
}

Result<std::optional<Claim>> MemoryStore::claim(const ClaimId& id, Deadline deadline) {
  if (deadline.expired()) return too_late();
  return state_->with([&](State& state) { return copy_of(find<Claim>(state.claims, id)); });
}

Result<std::optional<Claim>> MemoryStore::live_claim(const Key& key, Deadline deadline) {
  if (deadline.expired()) return too_late();
  const auto state = state_->lock();
  const ClaimId* id = find<ClaimId>(state->live_claims, key);
  return id == nullptr ? std::nullopt : copy_of(find<Claim>(state->claims, *id));
}

Result<Page<Claim>> MemoryStore::claims(const ClaimFilter& filter, const PageRequest& page, Deadline deadline) {
  if (deadline.expired()) return too_late();
  if (!good_page(page)) return bad_page();
  const auto state = state_->lock();
  const auto accounts_fit = [&](const Claim& claim) {
    if (!filter.accounts) return true;
    if (filter.role == ClaimRole::claimer) return lets_through(filter.accounts, claim.claimer_account.id);
    const Entry* donor = find<Entry>(state->entries, claim.donor_entry);
    return donor != nullptr && lets_through(filter.accounts, donor->account.id);
  };
  const auto wanted = [&](const Claim& claim) {
    return (filter.role == ClaimRole::donor ? claim.donor : claim.claimer()) == filter.ispb &&
           (!filter.status || claim.status == *filter.status) && accounts_fit(claim);
  };
  return page_of<Claim>(state->claims, page, wanted, by_creation<Claim>);
}

Result<std::vector<Claim>> MemoryStore::claims_past_a_period(UtcTime now, std::size_t limit, Deadline deadline) {
  if (deadline.expired()) return too_late();
  const auto past = [&](const Claim& claim) {
    return claim.live() && (claim.resolution_end <= now || claim.claimer_deadline <= now ||
                            (claim.completion_end && *claim.completion_end <= now));
  };
  const PageRequest all{.limit = limit, .after = {}};
  return state_->with([&](State& state) { return page_of<Claim>(state.claims, all, past, by_creation<Claim>).items; });
}

Result<std::optional<StoredRequest>> MemoryStore::request(const Ispb& ispb, const RequestId& id, Deadline deadline) {
  if (deadline.expired()) return too_late();
  return state_->with([&](State& state) { return copy_of(find<StoredRequest>(state.requests, std::pair(ispb, id))); });
}

Result<Committed> MemoryStore::commit(const Change& change, Deadline deadline) {
  return std::move(commit_all({&change, 1}, deadline).front());
}

std::vector<Result<Committed>> MemoryStore::commit_all(std::span<const Change> changes, Deadline deadline) {
  std::vector<Result<Committed>> answers;
  answers.reserve(changes.size());
  const auto apply = [&](const Change& wanted) -> Result<Committed> {
    if (deadline.expired()) return too_late();
    TRY_VOID(check_shape(wanted));
    auto writer = writer_->lock();
    if (wanted.mark) {
      TRY(const bool first, applied_first(*inbox_, *wanted.mark, deadline));
      if (!first) return already_applied();
    }
    Change change = wanted;
    const std::uint64_t sequence = writer->sequence + 1;
    stamp(change, sequence);
    {
      auto state = state_->lock();
      if (change.request && state->requests.contains({change.ispb, change.request->id}))
        return stale("the RequestId is taken");
      for (std::size_t done = 0; done < change.writes.size(); ++done) {
        if (state->put(change.writes[done])) continue;
        while (done-- > 0) state->undo(change.writes[done]);
        return stale("somebody else was faster");
      }
      if (change.request)
        state->requests.emplace(std::pair(change.ispb, change.request->id), stored_request(change, sequence));
      for (const Write& write : change.writes) {
        const Digest person = person_of(installation_key_, tax_id_of(write));
        state->audit.push_back(writer->chronicle.record(change, write, sequence, person, state->key_of(person)));
      }
    }
    writer->sequence = sequence;
    if (change.mark) TRY_VOID(inbox_->mark(*change.mark, deadline));
    if (outbox_) outbox_->add(events_of(change, sequence));
    if (writer->hook) writer->hook(sequence, change);
    return Committed{sequence};
  };
  for (const Change& change : changes) answers.push_back(apply(change));
  return answers;
}

Result<std::vector<AuditRecord>> MemoryStore::audit_after(std::uint64_t sequence, std::size_t limit,
                                                          Deadline deadline) {
  if (deadline.expired()) return too_late();
  const auto state = state_->lock();
  auto from = std::upper_bound(state->audit.begin(), state->audit.end(), sequence,
                               [](std::uint64_t value, const AuditRecord& record) { return value < record.sequence; });
  const auto count = std::min<std::size_t>(limit, static_cast<std::size_t>(state->audit.end() - from));
  return std::vector<AuditRecord>(from, from + static_cast<std::ptrdiff_t>(count));
}

Result<Page<AuditRecord>> MemoryStore::audit(const AuditFilter& filter, const PageRequest& page, Deadline deadline) {
  if (deadline.expired()) return too_late();
  if (!good_page(page)) return bad_page();
  const auto wanted = [&](const AuditRecord& record) { return lets_through(filter, record); };
  return state_->with([&](State& state) {
    return page_of<AuditRecord>(state.audit, page, wanted, audit_position, Order::newest_first);
  });
}

Result<void> MemoryStore::each_audit_record(const std::function<void(const AuditRecord&)>& visit, Deadline deadline) {
  const auto state = state_->lock();
  for (const AuditRecord& record : state->audit) {
    if (deadline.expired()) return too_late();
    visit(record);
  }
  return {};
}

Result<std::optional<SealKey>> MemoryStore::seal_key(const Digest& person, Deadline deadline) {
  if (deadline.expired()) return too_late();
  return state_->with([&](State& state) { return copy_of(find<SealKey>(state.seal_keys, person)); });
}

Result<Statistics> MemoryStore::statistics(const Ispb& ispb, Deadline deadline) {
  if (deadline.expired()) return too_late();
  const auto state = state_->lock();
  std::map<std::pair<KeyType, EntryStatus>, std::uint64_t> entries;
  std::map<std::pair<ClaimType, ClaimStatus>, std::uint64_t> claims;
  Statistics statistics;
  for (const auto& [id, entry] : state->entries)
    if (entry.ispb() == ispb) ++entries[{entry.key.type(), entry.status}];
  for (const auto& [id, claim] : state->claims)
    if (claim.donor == ispb || claim.claimer() == ispb) ++claims[{claim.type, claim.status}];
  for (const auto& [id, account] : state->accounts) statistics.accounts += account.ispb == ispb ? 1 : 0;
  for (const AuditRecord& record : state->audit) statistics.audit_records += record.ispb == ispb ? 1 : 0;
  for (const auto& [what, count] : entries) statistics.entries.push_back({what.first, what.second, count});
  for (const auto& [what, count] : claims) statistics.claims.push_back({what.first, what.second, count});
  return statistics;
}

Result<void> MemoryStore::note(const Note& note, Deadline deadline) {
  if (deadline.expired()) return too_late();
  auto writer = writer_->lock();
  auto state = state_->lock();
  state->audit.push_back(writer->chronicle.record(note, ++writer->sequence, Digest{}));
  return {};
}

Result<std::uint64_t> MemoryStore::erase_person(std::string_view tax_id, const Actor& actor, UtcTime at,
                                                Deadline deadline) {
  if (deadline.expired()) return too_late();
  if (tax_id.empty()) return fail_field("tax_id", "must not be empty");
  auto writer = writer_->lock();
  auto state = state_->lock();
  const auto used = [&](const auto& rows) {
    return std::any_of(rows.begin(), rows.end(),
                       [&](const auto& row) { return concerns(row.second, tax_id) && in_use(row.second); });
  };
  if (used(state->entries)) return person_in_use("a live entry");
  if (used(state->claims)) return person_in_use("a live claim");
  if (used(state->accounts)) return person_in_use("an open account");

  std::set<Ispb> participants;
  std::uint64_t blanked = 0;
  const auto blank_all = [&](auto& rows, const auto& ispb_of) {
    for (auto& [id, row] : rows) {
      if (!concerns(row, tax_id)) continue;
      participants.insert(ispb_of(row));
      blank(row, writer->sequence + 1);
      ++blanked;
    }
  };
  blank_all(state->accounts, [](const Account& account) { return account.ispb; });
  blank_all(state->entries, [](const Entry& entry) { return entry.ispb(); });
  blank_all(state->claims, [](const Claim& claim) { return claim.claimer(); });
  const Digest person = person_of(installation_key_, tax_id);
  if (state->seal_keys.erase(person) != 0 && participants.empty()) participants = state->participants();
  for (const Ispb& ispb : participants)
    state->audit.push_back(
        writer->chronicle.record(Note{"erase_person", "person", ispb, actor, at, ""}, ++writer->sequence, person));
  if (blanked != 0 && writer->forget) writer->forget();
  return blanked;
}

Result<std::uint64_t> MemoryStore::purge(UtcTime before, const Actor& actor, UtcTime at, Deadline deadline) {
  if (deadline.expired()) return too_late();
  auto writer = writer_->lock();
  auto state = state_->lock();
  const std::set<Ispb> participants = state->participants();
  const Month first_kept = std::min(month_of(before), writer->chronicle.head().month);
  std::uint64_t gone =
      std::erase_if(state->audit, [&](const AuditRecord& record) { return record.month < first_kept; });
  gone += std::erase_if(state->entries, [&](const auto& row) {
    return !row.second.live() && row.second.deleted_at.value_or(row.second.updated_at) < before;
  });
  gone += std::erase_if(state->claims, [&](const auto& row) {
    return !row.second.live() && row.second.ended_at.value_or(row.second.updated_at) < before;
  });
  if (gone == 0) return gone;
  const Note note{"purge", "store", {}, actor, at, purge_text(before, gone)};
  for (const Ispb& ispb : participants) {
    Note its = note;
    its.ispb = ispb;
    state->audit.push_back(writer->chronicle.record(its, ++writer->sequence, Digest{}));
  }
  if (writer->forget) writer->forget();
  return gone;
}

void MemoryStore::on_commit(CommitHook hook) {
  writer_->with([&](Writer& writer) { writer.hook = std::move(hook); });
}

void MemoryStore::on_forget(ForgetHook hook) {
  writer_->with([&](Writer& writer) { writer.forget = std::move(hook); });
}

Result<std::uint64_t> MemoryStore::last_sequence(Deadline deadline) {
  if (deadline.expired()) return too_late();
  return writer_->lock()->sequence;
}

events::Outbox* MemoryStore::outbox() { return outbox_.get(); }

Result<void> MemoryStore::check(Deadline deadline) {
  if (deadline.expired()) return too_late();
  return {};
}

}  // namespace chaveiro::clients::memory
