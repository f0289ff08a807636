#include "app/offline.h"

#include <algorithm>
#include <boost/json.hpp>

namespace chaveiro::app {

namespace dir = directory;
namespace json = boost::json;

bool AuditVerdict::holds() const {
  return std::ranges::all_of(chains, [](const Chain& chain) { return chain.faults.empty(); });
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.empty()) lines.emplace_back(line);
  }
  return lines;
}

Result<std::vector<dir::Anchor>> read_anchors(const Secret& key, const std::vector<std::string>& lines) {
  std::vector<dir::Anchor> anchors;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto anchor = dir::read_anchor(key, lines[i]);
    if (!anchor)
      return fail(anchor.error().code, anchor.error().reason,
                  "anchor " + std::to_string(i + 1) + ": " + anchor.error().message);
    anchors.push_back(*std::move(anchor));
  }
  return anchors;
}

void sign_heads(const Secret& key, AuditVerdict& verdict) {
  for (AuditVerdict::Chain& chain : verdict.chains) {
    for (dir::Anchor& head : chain.heads) head = dir::sign_anchor(key, head);
  }
}

std::string for_people(const AuditVerdict& verdict) {
  std::string text;
  for (const AuditVerdict::Chain& chain : verdict.chains) {
    text += chain.name + ": " + std::to_string(chain.records) + " records, " +
            (chain.faults.empty() ? "every one as it was written" : std::to_string(chain.faults.size()) + " faults") +
            "\n";
    for (const dir::ChainFault& fault : chain.faults) {
      text += "  " + std::string(to_string(fault.kind)) + ": " + fault.writer + "/" + std::to_string(fault.month) +
              " record " + std::to_string(fault.number) + ": " + fault.message + "\n";
    }
  }
  return text;
}

std::string to_json(const AuditVerdict& verdict) {
  json::array chains;
  for (const AuditVerdict::Chain& chain : verdict.chains) {
    json::array faults;
    for (const dir::ChainFault& fault : chain.faults) {
      faults.push_back({{"kind", to_string(fault.kind)},
                        {"writer", fault.writer},
                        {"month", fault.month},
                        {"number", fault.number},
                        {"message", fault.message}});
    }
    chains.push_back({{"chain", chain.name}, {"records", chain.records}, {"faults", std::move(faults)}});
  }
  return json::serialize(json::object{{"holds", verdict.holds()}, {"chains", std::move(chains)}}) + "\n";
}

}  // namespace chaveiro::app
