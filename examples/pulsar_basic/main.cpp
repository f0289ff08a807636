// Over an Apache Pulsar broker: a topic, messages with keys, a consumer that refuses one of them until it is a dead letter, and a reader
// that leaves no trace.
//
//   pulsar_basic [URL ADMIN_URL]     PULSAR_URL and PULSAR_ADMIN_URL, or pulsar://127.0.0.1:6650 http://127.0.0.1:8080
#include <cstdio>
#include <cstdlib>

#include "base/uuid.h"
#include "clients/pulsar/letters.h"
#include "clients/pulsar/reader.h"

using namespace chaveiro;
using namespace chaveiro::clients::pulsar;
using namespace std::chrono_literals;

static Result<void> show(PulsarBus& bus) {
  const Deadline deadline = Deadline::in(60s);
  const std::string topic = "persistent://public/default/example-" + to_string(uuid_v4());
  TRY_VOID(bus.create_topic(topic, {.partitions = 1}, deadline));

  // Letters are for subscriptions that acknowledge one by one; a message that is refused for the third time is one.
  TRY(const auto letters,
      LetterSubscription::open(
          bus, {.topics = {topic}, .name = "billing", .type = events::SubscriptionType::shared, .nack_delay = 50ms},
          {.redeliveries_max = 2}, deadline));
  for (const char* body : {"one", "poison", "three"})
    TRY_VOID(events::publish(bus, topic, {.key = "order-7", .body = body, .headers = {{"from", "example"}}}, deadline));
  for (int left = 5; left > 0;) {  // two good ones, and the other one three times
    TRY(const auto some, letters->receive(10, deadline));
    for (const events::Received& received : some) {
      const bool bad = received.message.body == "poison";
      std::printf("%s%s\n", received.message.body.c_str(), bad ? ": refused" : "");
      TRY_VOID(bad ? letters->nack(received.delivery, {}) : letters->ack(received));
      --left;
    }
  }
  TRY(const auto dead, bus.subscribe({.topics = {letters->letters().dead_letter_topic}, .name = "desk"}, deadline));
  TRY(const auto letter, dead->receive(1, deadline));
  if (letter.empty()) return fail(Code::not_found, "NoLetter", "the refused message did not come to the dead letters");
  std::printf("dead: %s, from %s\n", letter[0].message.body.c_str(),
              std::string(events::header(letter[0].message.headers, letters::real_subscription)).c_str());

  TRY(const auto reader, Reader::open(bus, {.topic = topic + "-partition-0"}, deadline));
  int read = 0;
  for (;; ++read) {
    TRY(const bool more, reader->has_more(deadline));
    if (!more) break;
    TRY_VOID(reader->next(deadline));
  }
  std::printf("the topic still holds %d messages\n", read);
  return {};
}

int main(int argc, char** argv) {
  const auto or_else = [](const char* name, const char* fallback) {
    const char* const said = std::getenv(name);
    return std::string(said != nullptr ? said : fallback);
  };
  BusOptions options;
  options.client.url = argc > 2 ? argv[1] : or_else("PULSAR_URL", "pulsar://127.0.0.1:6650");
  options.admin.url = argc > 2 ? argv[2] : or_else("PULSAR_ADMIN_URL", "http://127.0.0.1:8080");
  const auto bus = PulsarBus::make(std::move(options), Logger{});
  const Result<void> shown = bus ? show(**bus) : Result<void>(bus.error());
  if (!shown) std::fprintf(stderr, "%s\n", shown.error().message.c_str());
  return shown ? 0 : 1;
}
