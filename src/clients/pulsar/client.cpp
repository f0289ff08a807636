#include "clients/pulsar/client.h"

#include <algorithm>

#include "base/text.h"

namespace chaveiro::clients::pulsar {
namespace {

constexpr int hops_max = 20;
constexpr std::string_view plain_scheme = "pulsar://";
constexpr std::string_view tls_scheme = "pulsar+ssl://";

}  // namespace

Result<Client::Service> Client::parse(const std::string& url) {
  const auto bad = [] {
    return fail_field("url",
                      "must look like pulsar://host:6650 or pulsar+ssl://host:6651, hosts with commas between them");
  };
  Service service;
  service.tls = url.starts_with(tls_scheme);
  if (!service.tls && !url.starts_with(plain_scheme)) return bad();
  std::string_view rest = std::string_view(url).substr((service.tls ? tls_scheme : plain_scheme).size());
  rest = rest.substr(0, rest.find('/'));
  while (!rest.empty()) {
    const std::string_view text = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    const std::size_t colon = text.find(':', text.starts_with('[') ? text.find(']') : 0);
    Address address{std::string(text.substr(0, colon)), static_cast<std::uint16_t>(service.tls ? 6651 : 6650)};
    if (address.host.starts_with('[') && address.host.ends_with(']'))
      address.host = address.host.substr(1, address.host.size() - 2);
    if (colon != std::string_view::npos) {
      const auto port = parse_uint(text.substr(colon + 1));
      if (!port || *port == 0 || *port > 65'535) return bad();
      address.port = static_cast<std::uint16_t>(*port);
    }
    if (address.host.empty()) return bad();
    service.addresses.push_back(std::move(address));
  }
  if (service.addresses.empty()) return bad();
  return service;
}

Result<std::unique_ptr<Client>> Client::make(ClientOptions options, Logger log) {
  TRY(Service service, parse(options.url));
  std::shared_ptr<net::TlsClientContext> tls;
  if (service.tls) {
    TRY(tls, net::TlsClientContext::load(options.tls));
    if (options.tls.skip_verify)
      log.warn("the broker's certificate is not verified: whoever stands in the middle can read and change everything");
  }
  return std::unique_ptr<Client>(new Client(std::move(options), std::move(service), std::move(tls), std::move(log)));
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

bool Client::take_memory(std::size_t bytes, std::optional<Micros> wait) {
  if (options_.memory_max == 0) return true;
  auto memory = memory_.lock();
  const auto fits = [&](std::size_t more) { return memory->used == 0 || memory->used + more <= options_.memory_max; };
  if (!fits(bytes)) {
    if (!wait || loop_.here()) return false;
    ++memory->waiting;
    memory.wait(*wait == Micros{0} ? Deadline::never() : Deadline::in(*wait),
                [&](const Memory&) { return fits(std::max(bytes, options_.memory_max / 8)); });
    --memory->waiting;
    if (!fits(bytes)) return false;
  }
  memory->used += bytes;
  return true;
}

void Client::give_memory(std::size_t bytes) {
  if (options_.memory_max == 0) return;
  const bool wake = memory_.with([&](Memory& memory) {
    memory.used -= std::min(memory.used, bytes);
    return memory.waiting > 0 && (memory.used == 0 || memory.used + options_.memory_max / 8 <= options_.memory_max);
  });
  if (wake) memory_.notify_all();
}

void Client::connection(const Address& to, const std::string& proxy_to, Found found) {
  const std::string name = to.host + ":" + std::to_string(to.port) + " " + proxy_to;
  std::shared_ptr<Connection>& held = connections_[name];
  if (!held || !held->alive()) {
    ConnectionOptions its;
    its.host = to.host;
    its.port = to.port;
    its.proxy_to = proxy_to;
    if (tls_) {
      if (const auto fresh = tls_->reload(); !fresh)
        log_.warn("the files of TLS cannot be read again; the old ones stay", {{"error", fresh.error()}});
      its.tls = tls_->current();
      its.shows_certificate = !options_.tls.cert_file.empty();
    }
    its.token = options_.token;
    its.connect_time_max = options_.connect_time_max;
    its.keep_alive = options_.keep_alive;
    held = std::make_shared<Connection>(loop_, resolver_, std::move(its));
    held->open();
  }
  held->when_ready([held, found = std::move(found)](const Result<void>& ready) {
    if (!ready) return found(ready.error());
    found(held);
  });
}

// The next of the services is for the next try where this one does not answer.
void Client::service_connection(Found found) {
  connection(service(), {}, [this, at = turn_, found = std::move(found)](Result<std::shared_ptr<Connection>> made) {
    if (!made && at == turn_) ++turn_;
    found(std::move(made));
  });
}

void Client::find(const std::string& topic, Found found) {
  service_connection([this, topic, found = std::move(found)](Result<std::shared_ptr<Connection>> service) {
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
                const auto broker = parse((tls_ ? told->broker_url_tls : told->broker_url).value_or(""));
                if (!broker)
                  return found(fail(Code::unavailable, "BrokerUnavailable",
                                    tls_ ? "the broker that serves the topic has no address for TLS"
                                         : "the broker that serves the topic has no address without TLS"));
                const Address& serves = broker->addresses.front();
                const bool proxy = told->proxy_through_service_url;
                const std::string proxied = proxy ? serves.host + ":" + std::to_string(serves.port) : std::string();
                const Address to = proxy ? service() : serves;
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
  service_connection([this, topic, told = std::move(told)](Result<std::shared_ptr<Connection>> service) {
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

void Client::topics(const std::string& name_space, Topics told) {
  service_connection([this, name_space, told = std::move(told)](Result<std::shared_ptr<Connection>> service) {
    if (!service) return told(service.error());
    (*service)->request(wire::TopicsOfNamespace{.request_id = next_id(), .name_space = name_space},
                        Deadline::in(options_.operation_time_max), [told](const Result<wire::Frame>& frame) {
                          if (!frame) return told(frame.error());
                          const auto answer = wire::read_command<wire::TopicsOfNamespaceResponse>(*frame);
                          if (!answer) return told(answer.error());
                          told(answer->topics);
                        });
  });
}

}  // namespace chaveiro::clients::pulsar
