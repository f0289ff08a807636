// cache/backplane_node.h
//
// BackplaneNode: one node's half of the invalidation between nodes, as a state machine: what it wrote becomes numbered bulletins, and
// what it hears becomes exactly what its memory must forget. It decides; it neither sends nor waits.
//
// The rule that it upholds: **what a node reads is never older than the last write that was committed `bound()` ago**, whatever was
// lost, delayed, said twice or out of order, whoever was restarted or cut off. Three things are watched for it:
//
//   numbers   a number that is missing: that cache is dropped. A publisher that lives anew without having said goodbye: everything.
//   echo      our own beats come back the way of everybody's news. While the last that came back was sent longer than `silence_max`
//             ago, we hear too late or not at all.
//   silence   a publisher that has not been heard for `silence_max` may be writing all the same. Beats name whom their sender hears, so
//             that a node that has just come waits for those too.
//
// While echo or a publisher is missing, the node is not trusting: everything is dropped at once and again every `distrust_interval`. A
// publisher that stays silent is forgotten after `forget_after`: a writer that is cut off for longer is seen when memory's own time
// to live is over, and not within the bound; so are the writes of a node that has never reached the backplane.
//
// Shared levels are told by whoever writes. Where a writer may have failed to (it says so in its bulletins, it is silent, it died), they
// are passed over, and emptied once before they are believed again.
//
// A connection over which nothing is sent again (pub/sub) counts, when it is lost, as everything having been missed; one that goes on
// where it stood (streams) loses nothing.
//
// Threads: one at a time.
// Time:    news and hearing O(lines); tick() O(publishers).
#pragma once

#include <map>
#include <span>

#include "base/clock.h"
#include "cache/bulletin.h"

namespace chaveiro::cache {

struct BackplaneOptions {
  Micros beat_interval = std::chrono::milliseconds{500};  // between two of our beats
  Micros silence_max = std::chrono::seconds{2};           // without echo or without a publisher; at least 2 beats
  Micros distrust_interval =
      std::chrono::milliseconds{500};             // how old memory may become while the node is not trusting
  Micros forget_after = std::chrono::minutes{5};  // a publisher that is silent for so long counts as gone; 0: never
  std::size_t publishers_max = 256;  // beyond it the one that was silent longest is forgotten, and everything dropped
  Micros post_time_max =
      std::chrono::milliseconds{500};  // a bulletin that the server has not taken by then is not sent any more
  bool clean_start = false;  // our last life told the levels everything and said goodbye; false: they are emptied first
  bool replays = false;      // the connection goes on where it stood
};

enum class DropReason : std::uint8_t { gap, restart, missed, deaf, silent, crowded };
std::string_view to_string(DropReason reason);

// What to do next, in this order.
struct BackplaneAction {
  enum class Kind : std::uint8_t {
    publish,      // `bulletin`
    apply,        // `invalidation`
    drop,         // the memory of the cache that `invalidation` names; of all caches where it names none
    drop_levels,  // … and what shared levels hold of it
    levels_off,   // shared levels are passed over …
    levels_on     // … no longer
  };
  Kind kind = Kind::publish;
  Bulletin bulletin = {};
  Invalidation invalidation = {};
  DropReason reason = DropReason::gap;
};
using BackplaneActions = std::vector<BackplaneAction>;

class BackplaneNode {
 public:
  // `publisher`: this node's own number, the same in its next life if it can be. `epoch`: another in each life.
  BackplaneNode(BackplaneOptions options, std::uint64_t publisher, std::uint64_t epoch);

  // Whether a shared level is still to be told something; before every news() and tick(). It is said for a while after the debt was paid:
  // somebody who has not heard of the write yet may have put what is older there in between.
  void set_owing(bool owes, SteadyTime now) {
    if (owes) owing_until_ = now + bound();
    owes_ = now < owing_until_;
  }
  // What this node has written; to be published in the order of the calls. More than one bulletin only beyond their bounds.
  std::vector<Bulletin> news(std::span<const Invalidation> invalidations);
  // The last word: whoever has heard everything need not drop anything because we are gone.
  Bulletin goodbye();

  BackplaneActions heard(const Bulletin& bulletin, SteadyTime now);
  // `members`: the publishers that the backplane has seen within forget_after and that have not left.
  BackplaneActions connected(std::span<const std::uint64_t> members, SteadyTime now);
  BackplaneActions lost(SteadyTime now);
  // The transport knows that something never came: another server, a stream that was cut before we had read it.
  BackplaneActions missed(SteadyTime now);
  // At or after wakes_at().
  BackplaneActions tick(SteadyTime now);
  SteadyTime wakes_at() const;

  bool trusting() const { return trusting_; }
  // A bulletin may wait at its publisher; where it was lost its next beat tells, and where that is lost too, the silence does. What we hear
  // comes no later than the echo allows. Beside it counts only how late tick() is called.
  Micros bound() const {
    return options_.post_time_max + options_.beat_interval + options_.silence_max + options_.distrust_interval;
  }

  struct Figures {
    std::uint64_t applied = 0, repeated = 0, gaps = 0, restarts = 0, drops = 0;
    Micros echo{0};  // how long our last beat was on its way
  };
  const Figures& figures() const { return figures_; }
  std::size_t publishers() const { return publishers_.size(); }

 private:
  using Sequences = std::map<std::string, std::uint64_t, std::less<>>;
  struct Publisher {
    std::uint64_t epoch = 0;
    Sequences last;
    SteadyTime heard_at;  // for when it counts as gone
    SteadyTime alive_at =
        SteadyTime::min();           // surely spoke no earlier: when our own beat was sent that had come back before
    bool known_from_others = false;  // never heard: a beat or the backplane named it …
    SteadyTime awaited_until;        // … and until then it is waited for
    bool gone = false;               // said goodbye
    bool owes = false;
  };

  Bulletin numbers(Bulletin::Kind kind) const;
  void echoed(const Bulletin& beat, SteadyTime now, BackplaneActions& todo);
  void take(Publisher& from, const Bulletin& bulletin, BackplaneActions& todo);
  Publisher& enrol(std::uint64_t id, BackplaneActions& todo);
  void hear_of(std::uint64_t peer, SteadyTime until, BackplaneActions& todo);
  enum class Levels : std::uint8_t { keep, drop };
  void drop(BackplaneActions& todo, DropReason reason, Levels levels, std::string cache = {});
  void distrust(BackplaneActions& todo, DropReason reason, SteadyTime now);
  void trust(BackplaneActions& todo);
  void judge(BackplaneActions& todo, SteadyTime now);
  bool is_deaf(SteadyTime now) const;

  const BackplaneOptions options_;
  const std::uint64_t publisher_;
  const std::uint64_t epoch_;
  Sequences own_;
  std::uint64_t beats_ = 0;
  std::map<std::uint64_t, SteadyTime> on_their_way_;  // beats, by serial
  SteadyTime beat_due_ = SteadyTime::min();

  bool owes_ = false;
  SteadyTime owing_until_ = SteadyTime::min();
  bool levels_suspect_;                       // somebody was silent, or died: we too
  bool missed_ = true;                        // something may have been: what is held now must go before we trust again
  std::uint64_t first_serial_ = 1;            // beats before this one prove nothing
  SteadyTime echo_sent_ = SteadyTime::min();  // when the last beat that came back was sent
  SteadyTime hearing_since_ = SteadyTime::min();  // our beats have come back in time since then
  bool hearing_ = false;
  bool trusting_ = false;
  bool levels_on_ = true;
  SteadyTime drop_due_ = SteadyTime::min();

  std::map<std::uint64_t, Publisher> publishers_;
  Figures figures_;
};

}  // namespace chaveiro::cache
