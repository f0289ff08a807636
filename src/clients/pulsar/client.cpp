#include "clients/pulsar/client.h"

#include <algorithm>

#include "base/text.h"

namespace chaveiro::clients::pulsar {
namespace {

constexpr int hops_max = 20;
constexpr std::string_view scheme = "pulsar://";

}  // namespace

Result<Client::Address> Client::parse(const std::string& url) {
  const auto bad = [&] { return fail_field("url", "must look like pulsar://host:6650"); };
  if (!url.starts_with(scheme)) return bad();
  // Of several brokers the first: each of them answers look-ups.
  const std::string text = url.substr(scheme.size(), url.find_first_of(",/", scheme.size()) - scheme.size());
  const std::size_t colon = text.rfind(':');
  Address address{text.substr(0, colon)};
  if (colon != std::string::npos) {
    const auto port = parse_uint(std::string_view(text).substr(colon + 1));
    if (!port || *port == 0 || *port > 65'535) return bad();
    address.port = static_cast<std::uint16_t>(*port);
  }
  if (address.host.empty()) return bad();
  return address;
}

Result<std::unique_ptr<Client>> Client::make(ClientOptions options, Logger log) {
  TRY(Address service, parse(options.url));
  return std::unique_ptr<Client>(new Client(std::move(options), std::move(service), std::move(log)));
}

Client::~Client() {
  loop_.run([this] {
    for (const auto& [name, connection] : std::exchange(connections_, {}))
      connection->close(fail(Code::cancelled, "ClientClosed", "the client is being closed"));
  });
  loop_.stop();
}

Micros Client::pause(unsigned tries) {
  const Micros full = std::min(options_.backoff_max, options_.backoff_min * (std::int64_t{1} << std::min(tries, 20u)));
  return full / 2 + Micros(static_cast<std::int64_t>(static_cast<double>((full / 2).count()) * random_.unit()));
}

void Client::connection(const Address& to, const std::string& proxy_to, Found found) {
  const std::string name = to.host + ":" + std::to_string(to.port) + " " + proxy_to;
  std::shared_ptr<Connection>& held = connections_[name];
  if (!held || !held->alive()) {
    held = std::make_shared<Connection>(loop_, ConnectionOptions{to.host, to.port, proxy_to, options_.token,
                                                                 options_.connect_time_max, options_.keep_alive});
    held->open();
  }
  held->when_ready([held, found = std::move(found)](const Result<void>& ready) {
    if (!ready) return found(ready.error());
    found(held);
  });
}

void Client::find(const std::string& topic, Found found) {
  connection(service_, {}, [this, topic, found = std::move(found)](Result<std::shared_ptr<Connection>> service) {
    if (!service) return found(std::move(service));
    look_up(*service, topic, false, 0, found);
  });
}

void Client::look_up(const std::shared_ptr<Connection>& at, const std::string& topic, bool authoritative, int hops,
                     Found found) {
  if (hops > hops_max)
    return found(fail(Code::unavailable, "LookupLoop", "brokers send each other round about who serves the topic"));
  at->request(wire::Lookup{.topic = topic, .request_id = next_id(), .authoritative = authoritative},
              Deadline::in(options_.operation_time_max), [this, topic, hops, found](Result<wire::Frame> frame) {
                if (!frame) return found(frame.error());
                const auto told = wire::read_command<wire::LookupResponse>(*frame);
                if (!told) return found(told.error());
                if (told->response == wire::LookupType::failed)
                  return found(error_of(told->error.value_or(wire::ServerError::unknown), told->message));
                const auto broker = parse(told->broker_url.value_or(""));
                if (!broker) return found(wire::protocol_error("a look-up names no broker"));
                const std::string proxied =
                    told->proxy_through_service_url ? broker->host + ":" + std::to_string(broker->port) : std::string();
                const Address to = told->proxy_through_service_url ? service_ : *broker;
                if (told->response == wire::LookupType::connect) return connection(to, proxied, found);
                connection(
                    to, proxied,
                    [this, topic, hops, found, sure = told->authoritative](Result<std::shared_ptr<Connection>> next) {
                      if (!next) return found(std::move(next));
                      look_up(*next, topic, sure, hops + 1, found);
                    });
              });
}

void Client::partitions(const std::string& topic, Partitions told) {
  connection(service_, {}, [this, topic, told = std::move(told)](Result<std::shared_ptr<Connection>> service) {
    if (!service) return told(service.error());
    (*service)->request(wire::PartitionedMetadata{.topic = topic, .request_id = next_id()},
                        Deadline::in(options_.operation_time_max), [told](Result<wire::Frame> frame) {
                          if (!frame) return told(frame.error());
                          const auto answer = wire::read_command<wire::PartitionedMetadataResponse>(*frame);
                          if (!answer) return told(answer.error());
                          if (answer->response != 0)
                            return told(error_of(answer->error.value_or(wire::ServerError::unknown), answer->message));
                          told(answer->partitions);
                        });
  });
}

}  // namespace chaveiro::clients::pulsar
