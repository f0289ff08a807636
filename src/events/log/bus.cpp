#include "events/log/bus.h"

#include <algorithm>

#include "events/log/file_partition.h"
#include "events/log/impl.h"
#include "events/log/memory_partition.h"

namespace chaveiro::events::log {
namespace {

constexpr std::size_t small_file_max = 64u << 20;

Error no_topic(std::string_view topic) {
  return fail(Code::not_found, "TopicNotFound", "there is no topic " + std::string(topic) + "; create it first");
}

std::size_t size_of(const Message& message) {
  std::size_t size = message.body.size() + message.key.size() + 64;
  for (const auto& [name, value] : message.headers) size += name.size() + value.size();
  return size;
}

}  // namespace

LogBus::LogBus(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<LogBus>> LogBus::open(LogOptions options, Disk& disk, const Clock& clock, Logger log) {
  auto impl = std::make_unique<Impl>(std::move(options), &disk, clock, std::move(log));
  TRY_VOID(impl->load());
  impl->writer = std::thread([it = impl.get()] { it->write_loop(); });
  impl->cursor_writer = std::thread([it = impl.get()] { it->cursor_loop(); });
  return std::unique_ptr<LogBus>(new LogBus(std::move(impl)));
}

std::unique_ptr<LogBus> LogBus::in_memory(const Clock& clock) {
  return std::unique_ptr<LogBus>(new LogBus(std::make_unique<Impl>(LogOptions{}, nullptr, clock, Logger{})));
}

LogBus::~LogBus() {
  if (!impl_->writer.joinable()) return;
  impl_->outbox.lock()->stopping = true;
  impl_->outbox.notify_all();
  impl_->writer.join();
  *impl_->cursors_stop.lock() = true;
  impl_->cursors_stop.notify_all();
  impl_->cursor_writer.join();
  if (const auto saved = impl_->save_cursors(); !saved)
    impl_->log.error("cursors could not be saved; some events will come again", {{"error", saved.error()}});
}

Result<void> LogBus::Impl::load() {
  TRY_VOID(disk->make_folder(options.folder));
  TRY(lock, disk->lock_folder(options.folder));
  TRY(const std::vector<std::string> names, disk->list(options.folder));
  for (const std::string& name : names) {
    const std::string folder = options.folder + "/" + name;
    const auto text = disk->read(folder + "/topic", small_file_max);
    if (!text) {
      // LOCK, or a topic whose making a crash interrupted.
      if (text.error().code == Code::not_found || name == "LOCK") continue;
      return text.error();
    }
    TRY(const TopicText topic, parse_topic(*text));
    TRY_VOID(add_topic(topic.name, topic.options, folder));
    TRY_VOID(load_cursors(*find(topic.name)));
    ++recovered.topics;
  }
  if (recovered.cut_bytes > 0)
    log.warn("events that a crash interrupted while they were written were cut off; none of them had been answered",
             {{"bytes", recovered.cut_bytes}});
  return {};
}

Result<void> LogBus::Impl::add_topic(const std::string& name, const TopicOptions& topic_options,
                                     const std::string& folder) {
  auto topic = std::make_shared<Topic>();
  topic->name = name;
  topic->folder = folder;
  topic->options = topic_options;
  for (std::uint32_t p = 0; p < topic_options.partitions; ++p) {
    if (disk == nullptr) {
      topic->partitions.push_back(std::make_unique<MemoryPartition>());
      continue;
    }
    TRY(auto partition, FilePartition::open(*disk, folder + "/" + std::to_string(p), {options.segment_bytes}));
    recovered.cut_bytes += partition->cut_bytes();
    recovered.messages += partition->end() - partition->begin();
    topic->partitions.push_back(std::move(partition));
  }
  auto all = topics.lock();
  auto out = outbox.lock();
  topic->first_outbox = all->routes.size();
  for (std::uint32_t p = 0; p < topic_options.partitions; ++p) all->routes.push_back({topic, p});
  out->partitions.resize(all->routes.size());
  all->by_name.emplace(name, std::move(topic));
  return {};
}

Result<void> LogBus::Impl::load_cursors(Topic& topic) {
  const std::string folder = topic.folder + "/cursors";
  TRY_VOID(disk->make_folder(folder));
  TRY(const std::vector<std::string> names, disk->list(folder));
  for (const std::string& file : names) {
    if (file.find('.') != std::string::npos) {  // a crash interrupted its replacement
      TRY_VOID(disk->remove(folder + "/" + file));
      continue;
    }
    TRY(const std::string name, name_of_file(file));
    TRY(const std::string text, disk->read(folder + "/" + file, small_file_max));
    TRY(CursorText cursors, parse_cursors(text));
    cursors.cursors.resize(topic.partitions.size());
    topic.groups.lock()->emplace(name,
                                 std::make_shared<SharedGroup>(name, true, cursors.type, std::move(cursors.cursors)));
  }
  return {};
}

std::shared_ptr<Topic> LogBus::Impl::find(std::string_view name) const {
  const auto all = topics.lock();
  const auto found = all->by_name.find(name);
  return found == all->by_name.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Topic>> LogBus::Impl::all_topics() const {
  std::vector<std::shared_ptr<Topic>> found;
  const auto all = topics.lock();
  for (const auto& [name, topic] : all->by_name) found.push_back(topic);
  return found;
}

void LogBus::Impl::signal() {
  ++*changed.lock();
  changed.notify_all();
}

Result<void> LogBus::create_topic(const std::string& name, const TopicOptions& options, Deadline deadline) {
  if (name.empty()) return fail_field("topic", "must not be empty");
  if (options.partitions == 0 || options.partitions > 1'000) return fail_field("partitions", "must be 1 to 1000");
  if (deadline.expired()) return fail(Code::deadline, "DeadlineExceeded", "the time for creating the topic ran out");
  if (const auto there = impl_->find(name)) {
    if (there->options.partitions == options.partitions && there->options.hash == options.hash) return {};
    return fail(Code::conflict, "TopicDiffers",
                "topic " + name + " is there with " + std::to_string(there->options.partitions) + " partitions by " +
                    std::string(to_string(there->options.hash)) + ", which cannot change");
  }
  std::string folder;
  if (impl_->disk != nullptr) {
    folder = impl_->options.folder + "/" + file_name_of(name);
    TRY_VOID(impl_->disk->make_folder(folder + "/cursors"));
    for (std::uint32_t p = 0; p < options.partitions; ++p)
      TRY_VOID(impl_->disk->make_folder(folder + "/" + std::to_string(p)));
    TRY_VOID(impl_->disk->replace(folder + "/topic", to_text(TopicText{name, options})));
    TRY_VOID(impl_->disk->sync_folder(impl_->options.folder));
  }
  return impl_->add_topic(name, options, folder);
}

Result<std::vector<std::string>> LogBus::topics(Deadline) {
  std::vector<std::string> names;
  for (const auto& topic : impl_->all_topics()) names.push_back(topic->name);
  return names;
}

void LogBus::publish(std::string_view topic_name, Message message, Published done) {
  const std::shared_ptr<Topic> topic = impl_->find(topic_name);
  if (!topic) return done(no_topic(topic_name));
  const std::size_t size = size_of(message);
  if (size > message_bytes_max) return done(fail(Code::invalid, "MessageTooLarge", "a message has at most 5 MiB"));
  const std::uint32_t count = topic->options.partitions;
  std::uint32_t partition =
      message.key.empty() || count == 1 ? 0 : partition_of(message.key, topic->options.hash, count);
  std::optional<Error> refused;
  bool first = false;  // the writer may sleep
  {
    auto out = impl_->outbox.lock();
    if (out->stopping) {
      refused = fail(Code::unavailable, "BusStopped", "the program is being stopped");
    } else if (out->bytes + size > impl_->options.pending_bytes_max && out->bytes > 0) {
      refused = fail(Code::exhausted, "PublishQueueFull", "more messages wait for the disk than there is room for");
      refused->retry_after = std::chrono::milliseconds{20};
    } else {
      if (message.key.empty() && count > 1) partition = static_cast<std::uint32_t>(out->sticky++ / 100 % count);
      Outgoing& outgoing = out->partitions[topic->first_outbox + partition];
      outgoing.batches.add(message);
      outgoing.answers.push_back(std::move(done));
      first = out->bytes == 0;
      out->bytes += size;
    }
  }
  if (refused) return done(std::move(*refused));  // NOLINT(bugprone-use-after-move): what is refused was not moved
  if (impl_->disk != nullptr) {
    if (first) impl_->outbox.notify_all();
    return;
  }
  impl_->write_once();
}

Result<void> LogBus::flush(Deadline deadline) {
  if (impl_->disk == nullptr) return {};
  auto out = impl_->outbox.lock();
  // What waits now is written by the round after the one under way.
  const std::uint64_t round = out->taken + (out->bytes > 0 ? 1 : 0);
  if (out.wait(deadline, [&](const Impl::Outbox& it) { return it.finished >= round; })) return {};
  return fail(Code::deadline, "DeadlineExceeded", "not everything that was published could be written in time");
}

Result<std::unique_ptr<Subscription>> LogBus::subscribe(SubscribeOptions options, Deadline deadline) {
  if (options.topics.empty() || options.name.empty()) return fail_field("subscription", "needs a name and topics");
  if (deadline.expired()) return fail(Code::deadline, "DeadlineExceeded", "the time for subscribing ran out");
  for (const std::string& topic : options.topics)
    if (!impl_->find(topic)) return no_topic(topic);
  return open_subscription(*impl_, std::move(options));
}

Result<void> LogBus::unsubscribe(const std::string& topic_name, const std::string& name, Deadline) {
  const auto topic = impl_->find(topic_name);
  if (!topic) return no_topic(topic_name);
  {
    auto groups = topic->groups.lock();
    const auto found = groups->find(name);
    if (found == groups->end()) return {};
    if (found->second->group.lock()->members() > 0)
      return fail(Code::conflict, "SubscriptionTaken", "the subscription still has consumers");
    groups->erase(found);
  }
  if (impl_->disk == nullptr) return {};
  return impl_->disk->remove(topic->folder + "/cursors/" + file_name_of(name));
}

const Recovered& LogBus::recovered() const { return impl_->recovered; }

Result<void> LogBus::maintain(Deadline deadline) {
  if (impl_->disk == nullptr) {
    auto writing = impl_->writing.lock();
    impl_->trim_all();
    return {};
  }
  TRY_VOID(impl_->save_cursors());
  auto out = impl_->outbox.lock();
  out->trim = true;
  impl_->outbox.notify_all();
  if (out.wait(deadline, [](const Impl::Outbox& it) { return !it.trim; })) return {};
  return fail(Code::deadline, "DeadlineExceeded", "the log could not be trimmed in time");
}

void LogBus::poke() { impl_->signal(); }

std::vector<LogBus::SubscriptionLag> LogBus::lags() const {
  std::vector<SubscriptionLag> found;
  for (const auto& topic : impl_->all_topics()) {
    const auto groups = topic->groups.lock();
    for (const auto& [name, shared] : *groups)
      found.push_back({topic->name, name, shared->group.lock()->lag(topic->partitions)});
  }
  return found;
}

}  // namespace chaveiro::events::log
