// events/dead_letter_desk.h
//
// What lies in the dead letters, and what is done about it: listed, shown with personal data masked, replayed, discarded. It holds one
// durable subscription of the dead-letter topic and acknowledges what was settled; what is not settled stays, over restarts too.
//
// Guarantees: a replay publishes the letter on the topic that it came from, for the subscription that gave it up, and then settles it:
//             a crash between replays it twice, which the inbox tells. A discard lets the key go on, and then settles it.
// Threads: any; one call at a time.
// Errors:  not_found "NoDeadLetter", and those of the bus.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "events/bus.h"
#include "events/dead_letter.h"

namespace chaveiro::events {

struct DeskOptions {
  std::string topic;                               // of the dead letters
  std::string subscription = "dict-dead-letters";  // durable, one consumer
  std::size_t letters_max = 100'000;               // held at once; more wait on the topic
};

struct LetterView {
  std::string id;  // for show, replay and discard
  DeadLetter letter;
};

struct ReplayRequest {
  std::vector<std::string> ids;  // empty: all
  std::string subscription;      // only what this one gave up; empty: any
  std::string to;                // another topic than where it came from
  std::uint32_t rate_max = 100;  // a second; 0: no bound
  bool dry_run = false;
};

struct ReplayProgress {
  std::uint64_t wanted = 0, replayed = 0, failed = 0;
};

class DeadLetterDesk {
 public:
  // `discarded`: lets the key go on at the consumer of the letter's subscription (Consumer::discarded).
  using Discarded = std::function<Result<void>(const DeadLetter&, Deadline)>;
  static Result<std::unique_ptr<DeadLetterDesk>> open(DeskOptions options, Bus& bus, Discarded discarded,
                                                      Deadline deadline);

  // Oldest first.
  Result<std::vector<LetterView>> list(const std::string& subscription, std::size_t limit, Deadline deadline);
  Result<LetterView> show(const std::string& id, Deadline deadline);
  // `progress` is told after each; false from it ends the replay. Waits between letters where the rate asks for it.
  Result<ReplayProgress> replay(const ReplayRequest& request,
                                const std::function<bool(const ReplayProgress&)>& progress, Deadline deadline);
  Result<std::uint64_t> discard(const std::vector<std::string>& ids, Deadline deadline);

  struct Depth {
    std::uint64_t letters = 0;
    std::optional<UtcTime> oldest;
  };
  Result<Depth> depth(Deadline deadline);

 private:
  struct Held {
    Delivery delivery;
    DeadLetter letter;
  };
  struct State {
    std::map<MessageId, Held> letters;
  };
  DeadLetterDesk(DeskOptions options, Bus& bus, Discarded discarded, std::unique_ptr<Subscription> subscription)
      : options_(std::move(options)),
        bus_(bus),
        discarded_(std::move(discarded)),
        subscription_(std::move(subscription)) {}
  Result<void> fetch(Deadline deadline);
  Result<void> settle(const MessageId& id);

  const DeskOptions options_;
  Bus& bus_;
  const Discarded discarded_;
  const std::unique_ptr<Subscription> subscription_;
  Guarded<State> state_;
};

// The event's JSON with personal data masked: of `data` only what is known to be harmless is shown as it is. Of a body that is no
// event only its length.
std::string masked_body(const Message& message);

}  // namespace chaveiro::events
