#include "net/server_metrics.h"

#include <array>
#include <memory>

namespace chaveiro::net {
namespace {

constexpr std::array<std::string_view, 6> reasons{"connections",    "handshake",    "idle",
                                                  "header_timeout", "body_timeout", "write_timeout"};
constexpr std::array<std::string_view, 6> classes{"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

struct Series {
  Series(Registry& metrics, const std::string& listener)
      : open(metrics.gauge("http_connections_open", "Connections that are open.", {{"listener", listener}})),
        accepted(
            metrics.counter("http_connections_total", "Connections that were accepted.", {{"listener", listener}})),
        received(metrics.counter("http_received_bytes_total", "Bytes of request bodies.", {{"listener", listener}})),
        sent(metrics.counter("http_sent_bytes_total", "Bytes of answers.", {{"listener", listener}})) {
    for (std::size_t i = 0; i < reasons.size(); ++i)
      dropped[i] = &metrics.counter("http_connections_dropped_total", "Connections that we closed, by why.",
                                    {{"listener", listener}, {"why", std::string(reasons[i])}});
    for (std::size_t i = 0; i < classes.size(); ++i)
      answers[i] = &metrics.counter("http_answers_total", "Answers, by the class of their status.",
                                    {{"listener", listener}, {"status", std::string(classes[i])}});
  }

  Gauge& open;
  Counter& accepted;
  Counter& received;
  Counter& sent;
  std::array<Counter*, reasons.size()> dropped{};
  std::array<Counter*, classes.size()> answers{};
};

}  // namespace

ServerObserver counted(Registry& metrics, const std::string& listener) {
  const auto series = std::make_shared<const Series>(metrics, listener);
  ServerObserver observer;
  observer.exchange = [series](const ExchangeSummary& exchange) {
    series->answers[static_cast<std::size_t>(exchange.status / 100) % classes.size()]->add();
    series->received.add(exchange.bytes_in);
    series->sent.add(exchange.bytes_out);
  };
  observer.connections = [series](int change) {
    series->open.add(change);
    if (change > 0) series->accepted.add();
  };
  observer.dropped = [series](std::string_view why) {
    for (std::size_t i = 0; i < reasons.size(); ++i)
      if (reasons[i] == why) series->dropped[i]->add();
  };
  return observer;
}

}  // namespace chaveiro::net
