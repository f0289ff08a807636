#include "net/io_thread.h"

#include <array>
#include <ctime>
#include <utility>

namespace chaveiro::net {
namespace {

// RFC 9110, section 5.6.7. Not strftime: its names follow the locale.
std::string date_line() {
  static constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm t{};
  gmtime_r(&now, &t);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                days[static_cast<std::size_t>(t.tm_wday)], t.tm_mday, months[static_cast<std::size_t>(t.tm_mon)],
                t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
  return text.data();
}

}  // namespace

IoThread::IoThread(std::chrono::milliseconds tick_interval)
    : tick_interval_(tick_interval), work_(context_.get_executor()), timer_(context_), date_(date_line()) {}

IoThread::~IoThread() {
  if (thread_.joinable()) kill_and_join();
}

void IoThread::start() {
  wait_for_tick();
  thread_ = std::thread([this] { context_.run(); });
}

void IoThread::wait_for_tick() {
  timer_.expires_after(tick_interval_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !ended_) tick();  // a timer that ran out just before it was cancelled comes without an error
  });
}

void IoThread::tick() {
  date_ = date_line();
  const SteadyTime now = std::chrono::steady_clock::now();
  // Backwards: a connection that closes is replaced by the last one, which has been told already.
  for (std::size_t i = connections_.size(); i-- > 0;) {
    if (i >= connections_.size()) continue;
    const std::shared_ptr<ServedConnection> connection = connections_[i];
    connection->tick(now);
  }
  wait_for_tick();
}

void IoThread::add(std::shared_ptr<ServedConnection> connection) {
  connection->place = connections_.size();
  connections_.push_back(std::move(connection));
}

void IoThread::remove(ServedConnection& connection) {
  const std::size_t place = connection.place;
  const std::shared_ptr<ServedConnection> removed = std::move(connections_[place]);
  if (place + 1 != connections_.size()) {
    connections_[place] = std::move(connections_.back());
    connections_[place]->place = place;
  }
  connections_.pop_back();
}

void IoThread::drain() {
  post([this] {
    draining_ = true;
    const auto all = connections_;
    for (const auto& connection : all) connection->drain();
  });
}

void IoThread::kill_and_join() {
  post([this] {
    draining_ = true;
    const auto all = connections_;
    for (const auto& connection : all) connection->kill();
    open_.with([](bool& open) { open = false; });
    ended_ = true;
    timer_.cancel();
    work_.reset();
  });
  if (thread_.joinable()) thread_.join();
}

}  // namespace chaveiro::net
