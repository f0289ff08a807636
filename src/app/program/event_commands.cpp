// events tail|replay|move, dlq list|show|replay|discard: the command line's side of the administration of events.
#include <cstdio>
#include <thread>

#include "app/event_move.h"
#include "app/program/commands.h"
#include "base/clock.h"
#include "base/guarded.h"

namespace chaveiro::app {
namespace {

namespace admin = dict::admin::v1;
using Admin = admin::AdminService::Stub;

struct Options {
  std::vector<std::string> ids;
  std::string id, topic, subscription, from, to;
  std::uint32_t limit = 100, rate = 100;
  bool reveal = false, dry_run = false, all = false;
};

class Builder {
 public:
  Builder(CLI::App& root, Session& session) : root_(root), session_(session) {}

  void event_log() {
    CLI::App& group = command_group(root_, "events", "what happened, as it is told to others");
    Options& tail_options = kept<Options>();
    CLI::App* tail = group.add_subcommand("tail", "show events of a topic, oldest first");
    tail->add_option("--topic", tail_options.topic, "key-events where left out");
    tail->add_option("--from", tail_options.from, "RFC 3339; everything that is kept where left out");
    tail->add_option("--limit", tail_options.limit, "at most so many (100; at most 1000)");
    tail->add_flag("--reveal", tail_options.reveal, "show personal data (role admin; audited)");
    action(session_, *tail, [&o = tail_options](Client& client, const Output& output) {
      admin::TailEventsRequest request;
      request.set_topic(o.topic);
      request.set_limit(o.limit);
      request.set_reveal(o.reveal);
      if (!o.from.empty()) {
        if (const auto fault = set_time(o.from, "--from", *request.mutable_from()))
          return Client::failed(*fault, output);
      }
      return client.call(client.admin(), &Admin::TailEvents, request, output);
    });
    Options& replay_options = kept<Options>();
    CLI::App* replay = group.add_subcommand(
        "replay", "put a subscription at a time of a topic, so that its consumer reads from there");
    replay->add_option("--topic", replay_options.topic, "which topic")->required();
    replay->add_option("--subscription", replay_options.subscription, "made where it is not there")->required();
    replay->add_option("--from", replay_options.from, "RFC 3339")->required();
    action(session_, *replay, [&o = replay_options](Client& client, const Output& output) {
      admin::ReplayEventsRequest request;
      request.set_topic(o.topic);
      request.set_subscription(o.subscription);
      if (const auto fault = set_time(o.from, "--from", *request.mutable_from())) return Client::failed(*fault, output);
      return client.call(client.admin(), &Admin::ReplayEvents, request, output);
    });
  }

  // Without a server: it needs the data folder for itself.
  void move() {
    CLI::App* move =
        command_group(root_, "events", "")
            .add_subcommand(
                "move",
                "bring what the embedded log holds to the broker of PULSAR_URL; the server must not be running");
    add_setting_flags(*move, session_, {"PULSAR_URL", "PULSAR_ADMIN_URL", "PULSAR_TOKEN_FILE"});
    Session& session = session_;
    move->callback([&session] {
      session.action = [&session] {
        const Result<Loaded> loaded = session.load();
        if (!loaded) return Client::failed(loaded.error(), session.output), 2;
        const auto moved =
            move_events_to_pulsar(loaded->settings, SystemClock{}, Logger{}, Deadline::in(std::chrono::hours{24}));
        if (!moved) return Client::failed(moved.error(), session.output);
        for (const events::MovedTopic& it : *moved)
          std::printf(session.output.json ? "{\"topic\":\"%s\",\"messages\":%llu}\n" : "%-50s %llu\n", it.topic.c_str(),
                      static_cast<unsigned long long>(it.messages));
        return 0;
      };
    });
  }

  void dead_letters() {
    CLI::App& group = command_group(root_, "dlq", "events that a consumer gave up");
    Options& list_options = kept<Options>();
    CLI::App* list = group.add_subcommand("list", "the dead letters, oldest first");
    list->add_option("--subscription", list_options.subscription, "only what this one gave up");
    list->add_option("--limit", list_options.limit, "at most so many (100; at most 1000)");
    action(session_, *list, [&o = list_options](Client& client, const Output& output) {
      admin::ListDeadLettersRequest request;
      request.set_subscription(o.subscription);
      request.set_limit(o.limit);
      return client.call(client.admin(), &Admin::ListDeadLetters, request, output);
    });
    Options& show_options = kept<Options>();
    CLI::App* show = group.add_subcommand("show", "one of them with its attempts and its body");
    show->add_option("id", show_options.id, "as `dlq list` shows it")->required();
    show->add_flag("--reveal", show_options.reveal, "show personal data (role admin; audited)");
    action(session_, *show, [&o = show_options](Client& client, const Output& output) {
      admin::GetDeadLetterRequest request;
      request.set_id(o.id);
      request.set_reveal(o.reveal);
      return client.call(client.admin(), &Admin::GetDeadLetter, request, output);
    });
    replay(group);
    Options& discard_options = kept<Options>();
    CLI::App* discard = group.add_subcommand("discard", "never to be applied; their keys go on");
    discard->add_option("id", discard_options.ids, "as `dlq list` shows them")->required();
    action(session_, *discard, [&o = discard_options](Client& client, const Output& output) {
      admin::DiscardDeadLettersRequest request;
      for (const std::string& id : o.ids) request.add_ids(id);
      return client.call(client.admin(), &Admin::DiscardDeadLetters, request, output);
    });
  }

 private:
  void replay(CLI::App& group) {
    Options& options = kept<Options>();
    CLI::App* command = group.add_subcommand("replay", "try them again where they came from");
    command->add_option("id", options.ids, "as `dlq list` shows them");
    command->add_flag("--all", options.all, "every one (of --subscription)");
    command->add_option("--subscription", options.subscription, "with --all: only what this one gave up");
    command->add_option("--to", options.to, "another topic than where they came from");
    command->add_option("--rate", options.rate, "at most so many a second (100)")->check(CLI::Range(1, 10'000));
    command->add_flag("--dry-run", options.dry_run, "only say how many it would be");
    action(session_, *command,
           [&options](Client& client, const Output& output) { return replay_slowly(client, options, output); });
  }

  // One call for each, so that the rate holds and progress is seen.
  static int replay_slowly(Client& client, const Options& options, const Output& output) {
    std::vector<std::string> ids = options.ids;
    if (options.all) {
      admin::ListDeadLettersRequest request;
      request.set_subscription(options.subscription);
      request.set_limit(1'000);
      admin::ListDeadLettersResponse found;
      grpc::ClientContext context;
      client.prepare(context);
      if (const auto status = client.admin().ListDeadLetters(&context, request, &found); !status.ok())
        return Client::failed(status, output);
      for (const auto& letter : found.dead_letters()) ids.push_back(letter.id());
    }
    if (ids.empty() && !options.all) return Client::failed(fail_field("id", "name dead letters, or say --all"), output);
    admin::ReplayDeadLettersResponse sum;
    const SteadyTime begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!options.dry_run)
        std::this_thread::sleep_until(begin + std::chrono::microseconds{1'000'000 * i / options.rate});
      admin::ReplayDeadLettersRequest request;
      request.add_ids(ids[i]);
      request.set_to(options.to);
      request.set_dry_run(options.dry_run);
      admin::ReplayDeadLettersResponse one;
      grpc::ClientContext context;
      client.prepare(context);
      if (const auto status = client.admin().ReplayDeadLetters(&context, request, &one); !status.ok())
        return Client::failed(status, output);
      sum.set_wanted(sum.wanted() + one.wanted());
      sum.set_replayed(sum.replayed() + one.replayed());
      sum.set_failed(sum.failed() + one.failed());
      if (!output.json && ids.size() > 1) std::fprintf(stderr, "\r%zu of %zu", i + 1, ids.size());
    }
    if (!output.json && ids.size() > 1) std::fprintf(stderr, "\n");
    return Client::printed(sum, output);
  }

  CLI::App& root_;
  Session& session_;
};

}  // namespace

void add_event_commands(CLI::App& root, Session& session) {
  Builder builder(root, session);
  builder.event_log();
  builder.move();
  builder.dead_letters();
}

}  // namespace chaveiro::app
