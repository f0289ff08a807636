#include "app/import.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "base/guarded.h"
#include "base/hash.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;

struct Item {
  std::uint64_t number = 0;
  ImportLine line;
};

struct Batch {
  std::vector<Item> items;
  std::uint64_t last_number = 0;
  Deadline deadline = Deadline::never();
};

// An account as the importer last saw it.
struct KnownAccount {
  dir::Account account;
  std::uint32_t slots = 0;  // taken
};

// Commits batches, one after another.
class BatchCommitter {
 public:
  BatchCommitter(dir::Store& store, const Clock& clock, const ImportOptions& options, Guarded<ImportReport>& report)
      : store_(store), clock_(clock), options_(options), report_(report) {}

  Result<void> commit(Batch batch) {
    counted_ = {};
    std::vector<std::size_t> waiting(batch.items.size());
    std::iota(waiting.begin(), waiting.end(), std::size_t{0});
    std::vector<std::size_t> again;  // items that must be looked at one by one
    while (!waiting.empty()) {
      TRY(waiting, commit_wave(batch, waiting, again));
    }
    std::ranges::sort(again);
    for (const std::size_t i : again) TRY_VOID(one_by_one(batch.items[i], batch.deadline));
    publish(batch.last_number);
    return {};
  }

 private:
  // One group: of each account the first line that waits, since the next one builds upon it. Returns those that still wait.
  Result<std::vector<std::size_t>> commit_wave(Batch& batch, const std::vector<std::size_t>& waiting,
                                               std::vector<std::size_t>& again) {
    std::vector<dir::Change> changes;
    std::vector<std::size_t> owners;  // changes[i] belongs to batch.items[owners[i]]
    std::vector<std::size_t> later;
    std::unordered_set<dir::AccountId> taken;
    for (const std::size_t i : waiting) {
      if (!taken.insert(batch.items[i].line.account.id).second) {
        later.push_back(i);
      } else if (auto change = first_try(batch.items[i])) {
        changes.push_back(std::move(*change));
        owners.push_back(i);
      } else {
        again.push_back(i);
      }
    }
    if (changes.empty()) return later;
    const std::vector<Result<dir::Committed>> answers = store_.commit_all(changes, batch.deadline);
    for (std::size_t c = 0; c < answers.size(); ++c) {
      if (answers[c]) {
        applied(changes[c], answers[c]->sequence);
      } else if (answers[c].error().code == Code::conflict) {
        again.push_back(owners[c]);
      } else {
        return answers[c].error();
      }
    }
    return later;
  }

  // The change of a line under the belief that nothing is stored yet but what this run has stored. Nothing: it must be looked at.
  std::optional<dir::Change> first_try(Item& item) {
    const auto known = accounts_.find(item.line.account.id);
    if (known == accounts_.end()) return change_of(item, std::nullopt);
    if (!item.line.key || known->second.account.holder != item.line.account.holder) return std::nullopt;
    return change_of(item, known->second);
  }

  std::optional<dir::Change> change_of(Item& item, std::optional<KnownAccount> known) {
    const UtcTime now = clock_.now();
    dir::Change change;
    change.operation = item.line.key ? "import_entry" : "import_account";
    change.ispb = item.line.account.ispb;
    change.actor = options_.actor;
    change.at = now;
    dir::Account account = known ? known->account : item.line.account;
    if (!known) {
      account.created_at = account.updated_at = item.line.created_at.value_or(now);
      change.writes.push_back(dir::Put<dir::Account>{std::nullopt, account});
    }
    if (!item.line.key) return change;
    const std::uint32_t taken = known ? known->slots : 0;
    const auto slot = static_cast<std::uint32_t>(std::countr_one(taken));
    if (slot >= dir::keys_max(account.holder.type)) return std::nullopt;
    if (!item.line.request_id) item.line.request_id = dir::RequestId{uuid_v4()};
    dir::Entry entry{.id = dir::EntryId{ids_.make(now)},
                     .key = *item.line.key,
                     .account = std::move(account),
                     .status = item.line.status,
                     .request_id = *item.line.request_id};
    entry.slot = static_cast<std::uint8_t>(slot);
    entry.block_order = item.line.block_order;
    entry.created_at = entry.updated_at = item.line.created_at.value_or(now);
    entry.owned_since = item.line.owned_since.value_or(entry.created_at);
    change.request = dir::RequestUse{entry.request_id, body_hash(entry)};
    change.writes.push_back(dir::Put<dir::Entry>{std::nullopt, std::move(entry)});
    return change;
  }

  // Two lines are the same registration when these agree.
  static dir::Digest body_hash(const dir::Entry& entry) {
    std::string body = "import|";
    body += to_string(entry.key.type());
    for (const std::string& part : {entry.key.value(), to_string(entry.account.id), entry.account.holder.tax_id})
      body += '|' + part;
    return sha256(body);
  }

  void applied(const dir::Change& change, std::uint64_t sequence) {
    if (accounts_.size() > 100'000) accounts_.clear();
    for (const dir::Write& write : change.writes) {
      if (const auto* account = std::get_if<dir::Put<dir::Account>>(&write)) {
        ++counted_.accounts_created;
        KnownAccount& known = accounts_[account->after.id];
        known = {account->after, 0};
        known.account.version = sequence;
      } else if (const auto* entry = std::get_if<dir::Put<dir::Entry>>(&write)) {
        ++counted_.entries_created;
        if (const auto known = accounts_.find(entry->after.account.id); known != accounts_.end()) {
          known->second.slots |= 1u << entry->after.slot;
        }
      }
    }
  }

  // Reads what is stored and decides again. Answers an error only where the whole run must end.
  Result<void> one_by_one(Item& item, Deadline deadline) {
    constexpr int tries_max = 4;
    for (int tries = 0;; ++tries) {
      Result<std::optional<dir::Change>> decided = decide(item, deadline);
      if (!decided) {
        const Code code = decided.error().code;
        if (code == Code::deadline || code == Code::unavailable || code == Code::corrupt || code == Code::internal) {
          return decided.error();
        }
        return fault(item.number, std::move(decided).error()), Result<void>{};
      }
      if (!*decided) return ++counted_.already_there, Result<void>{};
      const auto committed = store_.commit(**decided, deadline);
      if (committed) return applied(**decided, committed->sequence), Result<void>{};
      if (committed.error().code != Code::conflict || tries + 1 == tries_max) return committed.error();
    }
  }

  // The change that the line needs, nothing where all of it is there already.
  Result<std::optional<dir::Change>> decide(Item& item, Deadline deadline) {
    const ImportLine& line = item.line;
    TRY(const std::optional<dir::Account> stored, store_.account(line.account.id, deadline));
    if (stored && stored->status != dir::AccountStatus::open)
      return fail(Code::conflict, "AccountClosed", "the account is closed");
    if (stored && stored->holder.tax_id != line.account.holder.tax_id) {
      return fail(Code::exists, "AccountExists", "the account is held by somebody else");
    }
    if (!line.key) {
      if (stored) return std::optional<dir::Change>{};
      return change_of(item, std::nullopt);
    }
    TRY(const std::optional<dir::Entry> live, store_.live_entry(*line.key, deadline));
    if (live) return already_live(*live, line);
    if (line.request_id) {
      TRY(const auto used, store_.request(line.account.ispb, *line.request_id, deadline));
      if (used) return fail(Code::conflict, "RequestIdAlreadyUsed", "request_id: was used for another registration");
    }
    TRY(const std::optional<dir::Claim> claim, store_.live_claim(*line.key, deadline));
    if (claim) return fail(Code::conflict, "EntryLockedByClaim", "the key is under a claim");
    if (!stored) return change_of(item, std::nullopt);
    TRY(const std::uint32_t slots, store_.slots_taken(line.account.id, deadline));
    KnownAccount& known = accounts_[line.account.id];
    known = {*stored, slots};
    std::optional<dir::Change> change = change_of(item, known);
    if (!change) {
      return fail(Code::conflict, "EntryLimitExceeded",
                  "the account has " + std::to_string(dir::keys_max(stored->holder.type)) + " keys already");
    }
    return change;
  }

  static Result<std::optional<dir::Change>> already_live(const dir::Entry& live, const ImportLine& line) {
    const bool same_owner = live.owner().tax_id == line.account.holder.tax_id;
    if (same_owner && live.account.id == line.account.id) {
      // A court order that only a file tells of must not be passed over.
      if (line.status == dir::EntryStatus::blocked && live.status != dir::EntryStatus::blocked)
        return fail(Code::conflict, "EntryNotBlocked",
                    "status: the key is there and not blocked; block it by its order");
      return std::optional<dir::Change>{};
    }
    if (live.ispb() == line.account.ispb && same_owner) {
      return fail(Code::exists, "EntryAlreadyExists", "the key is registered for another account of the owner");
    }
    return same_owner ? fail(Code::conflict, "EntryKeyInCustodyOfDifferentParticipant",
                             "the owner has the key at another participant")
                      : fail(Code::conflict, "EntryKeyOwnedByDifferentPerson", "the key belongs to somebody else");
  }

  void fault(std::uint64_t number, Error error) {
    ++counted_.bad;
    counted_.faults.push_back({number, std::move(error)});
  }

  void publish(std::uint64_t last_number) {
    auto report = report_.lock();
    report->accounts_created += counted_.accounts_created;
    report->entries_created += counted_.entries_created;
    report->already_there += counted_.already_there;
    report->bad += counted_.bad;
    report->committed_line = last_number;
    for (LineFault& found : counted_.faults) {
      if (report->faults.size() < options_.faults_kept_max) report->faults.push_back(std::move(found));
    }
  }

  dir::Store& store_;
  const Clock& clock_;
  const ImportOptions& options_;
  Guarded<ImportReport>& report_;
  UuidV7 ids_;
  std::unordered_map<dir::AccountId, KnownAccount> accounts_;
  ImportReport counted_;
};

}  // namespace

struct Importer::Impl {
  Impl(dir::Store& store, const Clock& clock, ImportOptions given)
      : options(std::move(given)), committer(store, clock, options, report), thread([this] { commit_batches(); }) {}

  ~Impl() {
    {
      auto state = handed.lock();
      state->stopped = true;
    }
    handed.notify_all();
    thread.join();
  }

  Result<void> add(std::uint64_t number, std::string_view text, Result<ImportLine> line, Deadline deadline) {
    if (text.empty()) return {};
    ++lines;
    batch.last_number = number;
    if (line && std::ranges::find(options.served, line->account.ispb) == options.served.end()) {
      line = fail_field("account.ispb", "is not a participant that is served here", "Forbidden");
    }
    if (line) {
      batch.items.push_back({number, *std::move(line)});
    } else {
      auto locked = report.lock();
      ++locked->bad;
      if (locked->faults.size() < options.faults_kept_max) locked->faults.push_back({number, std::move(line).error()});
    }
    return batch.items.size() >= options.batch_lines ? hand_over(deadline) : Result<void>{};
  }

  // Gives the batch to the committing thread once that has taken the one before.
  Result<void> hand_over(Deadline deadline) {
    batch.deadline = deadline;
    {
      auto state = handed.lock();
      if (!state.wait(deadline, [](const Handed& now) { return !now.batch.has_value(); })) {
        return fail(Code::deadline, "DeadlineExceeded", "the store did not keep up");
      }
      if (state->failed) return *state->failed;
      state->batch = std::move(batch);
    }
    batch = {};
    handed.notify_all();
    return {};
  }

  Result<void> drain(Deadline deadline) {
    TRY_VOID(hand_over(deadline));
    auto state = handed.lock();
    if (!state.wait(deadline, [](const Handed& now) { return !now.batch.has_value() && !now.busy; })) {
      return fail(Code::deadline, "DeadlineExceeded", "the store did not keep up");
    }
    if (state->failed) return *state->failed;
    return {};
  }

  void commit_batches() {
    while (true) {
      Batch next;
      {
        auto state = handed.lock();
        state.wait(Deadline::never(), [](const Handed& now) { return now.batch.has_value() || now.stopped; });
        if (!state->batch) return;
        next = std::move(*state->batch);
        state->batch.reset();
        state->busy = true;
      }
      handed.notify_all();
      Result<void> done = committer.commit(std::move(next));
      {
        auto state = handed.lock();
        state->busy = false;
        if (!done && !state->failed) state->failed = std::move(done).error();
      }
      handed.notify_all();
    }
  }

  struct Handed {
    std::optional<Batch> batch;  // waiting to be taken
    bool busy = false;
    bool stopped = false;
    std::optional<Error> failed;
  };

  ImportOptions options;
  Guarded<ImportReport> report;
  Guarded<Handed> handed;
  std::optional<CsvColumns> columns;
  Batch batch;
  std::uint64_t lines = 0;
  BatchCommitter committer;
  std::thread thread;
};

Importer::Importer(dir::Store& store, const Clock& clock, ImportOptions options)
    : impl_(std::make_unique<Impl>(store, clock, std::move(options))) {}
Importer::~Importer() = default;

Result<void> Importer::add_json(std::uint64_t number, std::string_view line, Deadline deadline) {
  if (line.empty()) return {};
  return impl_->add(number, line, parse_json_line(line, impl_->options.rules), deadline);
}

Result<void> Importer::add_csv(std::uint64_t number, std::string_view line, Deadline deadline) {
  if (line.empty()) return {};
  if (!impl_->columns) {
    TRY(impl_->columns, parse_csv_header(line));
    return {};
  }
  return impl_->add(number, line, parse_csv_line(line, *impl_->columns, impl_->options.rules), deadline);
}

Result<ImportReport> Importer::finish(Deadline deadline) {
  TRY_VOID(impl_->drain(deadline));
  return progress();
}

ImportReport Importer::progress() const {
  ImportReport report = *impl_->report.lock();
  report.lines = impl_->lines;
  return report;
}

}  // namespace chaveiro::app
