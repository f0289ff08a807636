// tests/support/pulsar_broker.h
//
// The real Pulsar broker of a test run: tools/servers/pulsar.sh starts it before the first test that needs it and ends it after the
// last (ctest fixture `pulsar`); by hand, PULSAR_URL and PULSAR_ADMIN_URL name one that runs. Where there is none the test fails.
//
// Threads: any.
// Errors:  throws; the test fails.
#pragma once

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

namespace chaveiro::tests {

struct PulsarBroker {
  std::string url;        // pulsar://127.0.0.1:1234
  std::string admin_url;  // http://127.0.0.1:1235
  std::string tls_url;    // pulsar+ssl://127.0.0.1:1236; empty: one that runs by itself
  std::string folder;     // with ca.pem, client.pem, stranger.pem and their keys, secret.key, token
};

inline PulsarBroker pulsar_broker() {
  PulsarBroker broker;
  const char* const url = std::getenv("PULSAR_URL");
  const char* const admin_url = std::getenv("PULSAR_ADMIN_URL");
  if (url != nullptr && admin_url != nullptr) return {url, admin_url};
  const char* const at = std::getenv("PULSAR_AT");
  if (at != nullptr) {
    std::ifstream in(at);
    in >> broker.url >> broker.admin_url >> broker.tls_url;
    broker.folder = std::string(at).substr(0, std::string(at).rfind('/'));
  }
  if (broker.admin_url.empty())
    throw std::runtime_error(
        "there is no Pulsar broker: run this by ctest, or ./dev up pulsar and set PULSAR_URL, PULSAR_ADMIN_URL");
  return broker;
}

}  // namespace chaveiro::tests
