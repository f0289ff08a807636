// Others read what we write, and we what they write: Pulsar's own clients of Java (its command line) and Python, over
// {none, LZ4, ZSTD} × {single, batch} × {key, none}, plain and over TLS with a token. Keys, bodies and properties are compared.
//
// Go's client, where it was built (bench/peers/build pulsar; a compiler of Go is nothing that ./dev setup brings), does the same.
// Java's command line cannot choose a compression: where it writes, pulsar-perf of the same client stands in for that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>

#include "base/uuid.h"
#include "clients/pulsar/bus.h"
#include "tests/support/pulsar_broker.h"

namespace chaveiro::contract {
namespace {

using namespace clients::pulsar;
using namespace events;
using namespace std::chrono_literals;

constexpr int each = 3;
const std::string key = "chave-é";

struct Case {
  std::string name;
  wire::Compression compression;
  bool batch, keyed;
};
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& [name, compression] :
       {std::pair("none", wire::Compression::none), std::pair("lz4", wire::Compression::lz4),
        std::pair("zstd", wire::Compression::zstd)})
    for (const bool batch : {false, true})
      for (const bool keyed : {false, true})
        all.push_back({std::string(name) + (batch ? " batch" : " single") + (keyed ? " key" : " none"), compression,
                       batch, keyed});
  return all;
}
// A message as a line, whoever read it.
std::string line(const std::string& its_key, const std::string& body, const std::string& properties) {
  return its_key + "\t" + body + "\t" + properties;
}
std::multiset<std::string> expected() {
  std::multiset<std::string> lines;
  for (const Case& it : cases())
    for (int n = 0; n < each; ++n)
      lines.insert(line(it.keyed ? key : "", it.name + " " + std::to_string(n) + " ação",
                        "case=" + it.name + ",n=" + std::to_string(n)));
  return lines;
}

std::string run(const std::string& command) {
  std::string out;
  FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 4096> bytes{};
  while (const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), pipe)) out.append(bytes.data(), got);
  EXPECT_EQ(::pclose(pipe), 0) << command << "\n" << out;
  return out;
}

enum class Way : std::uint8_t { plain, secure };

class PulsarInterop : public testing::TestWithParam<Way> {
 protected:
  bool secure() const { return GetParam() == Way::secure; }
  std::unique_ptr<PulsarBus> bus(const Case& it) const {
    BusOptions options;
    options.client.url = secure() ? broker.tls_url : broker.url;
    options.client.tls.ca_file = broker.folder + "/ca.pem";
    if (secure())
      options.client.token = [folder = broker.folder] {
        std::ifstream in(folder + "/token");
        std::string text;
        in >> text;
        return Secret(std::move(text));
      };
    options.admin.url = broker.admin_url;
    options.producer.compression = it.compression;
    options.producer.compress_bytes_min = 0;
    options.producer.batch_delay = 5ms;
    if (!it.batch) options.producer.batch_messages_max = 1;
    return PulsarBus::make(std::move(options), Logger{}).value();
  }
  std::string witness(const std::string& program, const std::string& what, std::size_t count) const {
    std::string command = program + " " + (secure() ? broker.tls_url : broker.url) + " " + what + " " + topic + " " +
                          std::to_string(count);
    if (secure()) command += " --ca " + broker.folder + "/ca.pem --token " + broker.folder + "/token";
    return command;
  }
  std::string python(const std::string& what, std::size_t count) const {
    return witness(
        "PYTHONPATH=.cache/pulsar/python PYTHONDONTWRITEBYTECODE=1 /usr/bin/env python3 "
        "tests/integration/pulsar_witness.py",
        what, count);
  }
  // Java's command lines, quick to start, with what says how to reach the broker in a file.
  std::string java(const std::string& tool, const std::string& arguments) const {
    const std::string file = broker.folder + (secure() ? "/client-tls.conf" : "/client.conf");
    std::ofstream out(file);
    out << "brokerServiceUrl=" << (secure() ? broker.tls_url : broker.url) << "\nwebServiceUrl=" << broker.admin_url
        << "\n";
    if (secure())
      out << "authPlugin=org.apache.pulsar.client.impl.auth.AuthenticationToken\nauthParams=file://" << broker.folder
          << "/token\ntlsTrustCertsFilePath=" << broker.folder << "/ca.pem\ntlsEnableHostnameVerification=true\n";
    out.close();
    return "JAVA_HOME=$(for at in /usr/lib/jvm/java-17-openjdk-* /usr/lib/jvm/default-java; do [ -x $at/bin/java ] && "
           "echo $at && break; done) "
           "PULSAR_CLIENT_CONF=" +
           file + " PULSAR_MEM=-Xmx160m PULSAR_GC=-XX:+UseSerialGC PULSAR_LOG_DIR=" + broker.folder +
           "/logs PULSAR_EXTRA_OPTS='-XX:TieredStopAtLevel=1 -Dfile.encoding=UTF-8' LC_ALL=C.UTF-8 "
           ".cache/pulsar/4.0.8/bin/" +
           tool + " " + arguments + " 2>/dev/null";
  }
  void write_all() const {
    for (const Case& it : cases()) {
      const auto ours = bus(it);
      std::vector<Message> messages;
      for (int n = 0; n < each; ++n)
        messages.push_back({.key = it.keyed ? key : "",
                            .body = it.name + " " + std::to_string(n) + " ação",
                            .headers = {{"case", it.name}, {"n", std::to_string(n)}}});
      for (const auto& id : publish_all(*ours, topic, std::move(messages), Deadline::in(180s)))
        ASSERT_TRUE(id) << id.error().message;
    }
  }
  std::multiset<std::string> read(std::size_t count) const {
    const auto ours = bus(cases().front());
    std::multiset<std::string> lines;
    auto sub =
        ours->subscribe({.topics = {topic}, .name = "ours", .type = SubscriptionType::exclusive}, Deadline::in(180s));
    EXPECT_TRUE(sub) << (sub ? "" : sub.error().message);
    while (sub && lines.size() < count) {
      const auto some = (*sub)->receive(count - lines.size(), Deadline::in(180s));
      EXPECT_TRUE(some && !some->empty());
      if (!some || some->empty()) break;
      for (const Received& one : *some) {
        std::set<std::string> properties;
        for (const auto& [name, value] : one.message.headers) properties.insert(name + "=" + value);
        std::string text;
        for (const std::string& property : properties) text += (text.empty() ? "" : ",") + property;
        lines.insert(line(one.message.key, one.message.body, text));
      }
    }
    return lines;
  }

  const tests::PulsarBroker broker = tests::pulsar_broker();
  const std::string topic = "persistent://dict/events/interop-" + to_string(uuid_v4());
};

std::multiset<std::string> lines_of(const std::string& text) {
  std::multiset<std::string> lines;
  std::istringstream out(text);
  for (std::string one; std::getline(out, one);) lines.insert(one);
  return lines;
}

TEST_P(PulsarInterop, python_reads_what_we_write) {
  write_all();
  EXPECT_EQ(lines_of(run(python("consume", expected().size()))), expected());
}

TEST_P(PulsarInterop, we_read_what_python_writes) {
  run(python("produce", each));
  EXPECT_EQ(read(expected().size()), expected());
}

// "publishTime:[1], eventTime:[0], key:[k], properties:[a=b, c=d], content:body"
std::multiset<std::string> lines_of_java(const std::string& text) {
  std::multiset<std::string> lines;
  std::istringstream out(text);
  for (std::string one; std::getline(out, one);) {
    const auto between = [&](const std::string& begin, const std::string& end) {
      const std::size_t from = one.find(begin) + begin.size();
      return one.substr(from, one.find(end, from) - from);
    };
    if (one.find("publishTime:[") == std::string::npos || one.find(", content:") == std::string::npos) continue;
    std::string properties = between("properties:[", "]");
    if (const std::size_t at = properties.find(", "); at != std::string::npos) properties.erase(at + 1, 1);
    if (properties.starts_with("n=")) properties = properties.substr(4) + "," + properties.substr(0, 3);
    const std::string its_key = between("key:[", "]");
    lines.insert(line(its_key == "null" ? "" : its_key, one.substr(one.find(", content:") + 10), properties));
  }
  return lines;
}

TEST_P(PulsarInterop, java_reads_what_we_write) {
  write_all();
  const std::size_t count = expected().size();
  EXPECT_EQ(lines_of_java(
                run(java("pulsar-client", "consume -s java -p Earliest -n " + std::to_string(count) + " " + topic))),
            expected());
}

TEST_P(PulsarInterop, we_read_what_java_writes) {
  // Each way a batch with a key and one without, or the same alone; the other half goes the other way.
  const std::vector<std::string> kinds =
      secure() ? std::vector<std::string>{"-db -k " + key, ""} : std::vector<std::string>{"-db", "-k " + key};
  std::multiset<std::string> wanted;
  std::vector<std::future<std::string>> running;
  for (const std::string& kind : kinds) {
    running.push_back(std::async(std::launch::async, [this, kind] {
      return run(java("pulsar-client", "produce -m ação-1,ação-2 -n 2 -p case=java " + kind + " " + topic));
    }));
    for (const char* body : {"ação-1", "ação-2", "ação-1", "ação-2"})
      wanted.insert(line(kind.find("-k") == std::string::npos ? "" : key, body, "case=java"));
  }
  for (auto& one : running) one.get();
  EXPECT_EQ(read(wanted.size()), wanted);
}

constexpr const char* go = ".cache/peers/pulsar";

TEST_P(PulsarInterop, go_reads_what_we_write) {
  if (!std::filesystem::exists(go)) GTEST_SKIP() << "by hand, where Go is: bench/peers/build pulsar makes " << go;
  write_all();
  EXPECT_EQ(lines_of(run(witness(go, "consume", expected().size()))), expected());
}

TEST_P(PulsarInterop, we_read_what_go_writes) {
  if (!std::filesystem::exists(go)) GTEST_SKIP() << "by hand, where Go is: bench/peers/build pulsar makes " << go;
  run(witness(go, "produce", each));
  EXPECT_EQ(read(expected().size()), expected());
}

INSTANTIATE_TEST_SUITE_P(Broker, PulsarInterop, testing::Values(Way::plain, Way::secure),
                         [](const auto& made) { return made.param == Way::plain ? "plain" : "tls_and_token"; });

class PulsarPerf : public PulsarInterop {};
TEST_P(PulsarPerf, is_read_by_us_with_each_compression) {
  constexpr std::size_t count = 200, size = 300;
  std::vector<std::future<std::string>> running;
  for (const std::string compression : {"LZ4", "ZSTD"})
    running.push_back(std::async(std::launch::async, [this, compression] {
      return run(java("pulsar-perf", "produce -m " + std::to_string(count) + " -r 10000 -s " + std::to_string(size) +
                                         " -mk autoIncrement -z " + compression + " -u " + broker.url + " " + topic));
    }));
  for (auto& one : running) one.get();
  const auto lines = read(2 * count);
  EXPECT_EQ(lines.size(), 2 * count);
  for (const std::string& one : lines) EXPECT_EQ(one.size() - one.find('\t') - 2, size);
}
INSTANTIATE_TEST_SUITE_P(Broker, PulsarPerf, testing::Values(Way::plain), [](const auto&) { return "plain"; });

}  // namespace
}  // namespace chaveiro::contract
