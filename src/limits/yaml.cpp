#include "limits/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <set>
#include <sstream>

namespace chaveiro::limits {
namespace {

// Thrown through yaml-cpp's parser, which has no other way to be stopped; never leaves this file.
struct Stop {
  YamlPlace place;
  std::string why;
};

YamlPlace place_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(YamlBounds bounds) : bounds_(bounds) {}
  Yaml take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(mark, anchor, Yaml::Kind::nothing); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Stop{place_of(mark), "aliases are not allowed here"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, const std::string& value) override {
    add(mark, anchor, Yaml::Kind::scalar).text = value;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, Yaml::Kind::list);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, Yaml::Kind::map);
  }
  void OnMapEnd() override {
    const Yaml& map = *open_.back();
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i + 1 < map.items.size(); i += 2) {
      const Yaml& key = map.items[i];
      if (key.kind != Yaml::Kind::scalar) throw Stop{key.place, "a key must be a plain text"};
      if (!seen.insert(key.text).second) throw Stop{key.place, "the key stands twice in this map"};
    }
    open_.pop_back();
  }

 private:
  Yaml& add(const YAML::Mark& mark, YAML::anchor_t anchor, Yaml::Kind kind) {
    if (anchor != 0) throw Stop{place_of(mark), "anchors are not allowed here"};
    if (++nodes_ > bounds_.nodes_max) throw Stop{place_of(mark), "the document has too many nodes"};
    Yaml node{.kind = kind, .place = place_of(mark)};
    if (open_.empty()) return root_ = std::move(node);
    return open_.back()->items.emplace_back(std::move(node));
  }
  void open(const YAML::Mark& mark, YAML::anchor_t anchor, Yaml::Kind kind) {
    Yaml& node = add(mark, anchor, kind);
    if (open_.size() >= bounds_.depth_max) throw Stop{place_of(mark), "the document is nested too deep"};
    // The items of an open node grow only while none of their own is open: this address stays.
    open_.push_back(&node);
  }

  const YamlBounds bounds_;
  Yaml root_;
  std::vector<Yaml*> open_;
  std::size_t nodes_ = 0;
};

// Brackets nested in flow style make the library's scanner work quadratically: refused before it begins.
bool brackets_nest_too_deep(std::string_view text, std::size_t depth_max) {
  std::size_t depth = 0;
  for (const char c : text) {
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (depth > 4 * depth_max) return true;
  }
  return false;
}

Error at(YamlPlace place, std::string why) { return fail_field(to_string(place), std::move(why), "YamlInvalid"); }

}  // namespace

std::string to_string(YamlPlace place) {
  return "line " + std::to_string(place.line) + ", column " + std::to_string(place.column);
}

const Yaml* Yaml::find(std::string_view key) const {
  if (kind != Kind::map) return nullptr;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2)
    if (items[i].text == key) return &items[i + 1];
  return nullptr;
}

Result<Yaml> parse_yaml(std::string_view text, YamlBounds bounds) {
  if (text.size() > bounds.bytes_max)
    return at({1, 1}, "the document is longer than " + std::to_string(bounds.bytes_max) + " bytes");
  if (brackets_nest_too_deep(text, bounds.depth_max)) return at({1, 1}, "the document is nested too deep");
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder(bounds);
    if (!parser.HandleNextDocument(builder)) return Yaml{.place = {1, 1}};
    Yaml tree = builder.take();
    Builder rest(bounds);
    if (parser.HandleNextDocument(rest)) return at(rest.take().place, "only one document is read");
    return tree;
  } catch (const Stop& stop) {
    return at(stop.place, stop.why);
  } catch (const YAML::Exception& error) {
    return at(place_of(error.mark), error.msg);
  } catch (const std::exception& error) {
    return at({1, 1}, std::string("cannot be read: ") + error.what());
  }
}

}  // namespace chaveiro::limits
