#include "app/pulsar.h"

#include <fstream>

#include "base/hash.h"
#include "events/topics.h"

namespace chaveiro::app {
namespace {

namespace pulsar = clients::pulsar;
constexpr std::size_t token_bytes_max = 64u << 10;

// The token as it stands in the file now: whoever renews it writes the file anew.
Secret token_in(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text(token_bytes_max, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return Secret(std::move(text));
}

// The administration of the broker that the url names first, on its usual port.
std::string admin_url_of(const std::string& url) {
  const bool tls = url.starts_with("pulsar+ssl://");
  const std::size_t begin = url.find("://") + 3;
  const std::string host = url.substr(begin, url.find_first_of(":,/", begin) - begin);
  return (tls ? "https://" + host + ":8443" : "http://" + host + ":8080");
}

void rename(events::Names& names, std::string_view ours, const std::string& theirs) {
  if (!theirs.empty() && theirs != ours) names.emplace(ours, theirs);
}

}  // namespace

Result<std::optional<PulsarEvents>> pulsar_events(const Settings& settings, const std::string& writer) {
  if (settings.pulsar_url.empty()) return std::optional<PulsarEvents>();
  PulsarEvents made;
  made.bus.client.url = settings.pulsar_url;
  made.bus.client.tls.ca_file = settings.pulsar_ca_file;
  made.bus.client.tls.cert_file = settings.pulsar_cert_file;
  made.bus.client.tls.key_file = settings.pulsar_key_file;
  made.bus.admin.url =
      settings.pulsar_admin_url.empty() ? admin_url_of(settings.pulsar_url) : settings.pulsar_admin_url;
  if (made.bus.admin.url.starts_with("https://")) {
    TRY(made.bus.admin.tls, net::TlsClientContext::load(made.bus.client.tls));
  }
  if (!settings.pulsar_token_file.empty()) {
    if (token_in(settings.pulsar_token_file).empty())
      return fail_field("PULSAR_TOKEN_FILE", "cannot be read, or is empty");
    made.bus.client.token = [file = settings.pulsar_token_file] { return token_in(file); };
    made.bus.admin.token = made.bus.client.token;
  }
  namespace topics = events::topics;
  rename(made.topics, topics::key_events, settings.pulsar_topic_key_events);
  rename(made.topics, topics::claim_events, settings.pulsar_topic_claim_events);
  rename(made.topics, topics::requests_out, settings.pulsar_topic_req_out);
  rename(made.topics, topics::responses_in, settings.pulsar_topic_res_in);
  rename(made.subscriptions, events::subscriptions::responses, settings.pulsar_subscription);
  for (const auto type : {events::SubscriptionType::exclusive, events::SubscriptionType::shared,
                          events::SubscriptionType::failover, events::SubscriptionType::key_shared})
    if (settings.pulsar_consumer_type == to_string(type)) made.type = type;
  // What the relay writes is the relay's alone: a second one, which does not know what this one has sent, is fenced off.
  pulsar::ProducerOptions relay = made.bus.producer;
  relay.name = "chaveiro-relay-" + writer;
  relay.send_time_max = Micros{0};
  relay.batch_delay = std::chrono::milliseconds{2};
  if (settings.pulsar_exclusive) relay.access = pulsar::wire::AccessMode::exclusive_with_fencing;
  const events::RenamedBus names(nullptr, made.topics, made.subscriptions);
  for (const std::string_view topic :
       {topics::key_events, topics::claim_events, topics::requests_out, topics::vsync_events, topics::core_events})
    made.bus.producers.emplace(names.topic_name(topic), relay);
  return std::optional<PulsarEvents>(std::move(made));
}

}  // namespace chaveiro::app
