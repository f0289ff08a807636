#include "base/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/check.h"
#include "base/text.h"

namespace chaveiro {
namespace {

// The bounds under which Prometheus sees a histogram: 1, 2.5, 5 in each power of ten, 250 ns to 100 s. Nanoseconds, and in seconds.
struct Bound {
  std::int64_t nanoseconds;
  std::string_view seconds;
};
constexpr Bound bounds[] = {
    {250, "2.5e-07"},       {500, "5e-07"},         {1'000, "1e-06"},         {2'500, "2.5e-06"},
    {5'000, "5e-06"},       {10'000, "1e-05"},      {25'000, "2.5e-05"},      {50'000, "5e-05"},
    {100'000, "0.0001"},    {250'000, "0.00025"},   {500'000, "0.0005"},      {1'000'000, "0.001"},
    {2'500'000, "0.0025"},  {5'000'000, "0.005"},   {10'000'000, "0.01"},     {25'000'000, "0.025"},
    {50'000'000, "0.05"},   {100'000'000, "0.1"},   {250'000'000, "0.25"},    {500'000'000, "0.5"},
    {1'000'000'000, "1"},   {2'500'000'000, "2.5"}, {5'000'000'000, "5"},     {10'000'000'000, "10"},
    {25'000'000'000, "25"}, {50'000'000'000, "50"}, {100'000'000'000, "100"},
};

constexpr std::string_view overflow_family = "metrics_series_overflow_total";

bool is_name(std::string_view name, bool colons) {
  const auto letter = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colons && c == ':');
  };
  return !name.empty() && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

enum class Quotes : std::uint8_t { escaped, plain };

void append_escaped(std::string& out, std::string_view text, Quotes quotes) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char c = text.front();
    if (length == 0)
      out += "\xef\xbf\xbd";
    else if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' && quotes == Quotes::escaped)
      out += "\\\"";
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

// `edge="grpc",operation="GetKey"`: the labels as they are shown, sorted, which also tells series apart.
std::string written(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty()) text += ',';
    text += name;
    text += "=\"";
    append_escaped(text, value, Quotes::escaped);
    text += '"';
  }
  return text;
}

void append_value(std::string& out, double value) {
  if (std::isnan(value))
    out += "NaN";
  else if (std::isinf(value))
    out += value > 0 ? "+Inf" : "-Inf";
  else {
    char digits[32];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
}

// One line: name, suffix, labels and perhaps one label more.
void append_sample(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels,
                   std::string_view le, const auto& value) {
  out += name;
  out += suffix;
  if (!labels.empty() || !le.empty()) {
    out += '{';
    out += labels;
    if (!le.empty()) {
      if (!labels.empty()) out += ',';
      out += "le=\"";
      out += le;
      out += '"';
    }
    out += '}';
  }
  out += ' ';
  if constexpr (std::is_floating_point_v<std::remove_cvref_t<decltype(value)>>)
    append_value(out, value);
  else
    out += std::to_string(value);
  out += '\n';
}

void append_histogram(std::string& out, std::string_view name, std::string_view labels, const Histogram& histogram) {
  const Histogram::Snapshot now = histogram.snapshot();
  for (const Bound& bound : bounds) {
    append_sample(out, name, "_bucket", labels, bound.seconds,
                  now.at_most(std::chrono::nanoseconds{bound.nanoseconds}));
  }
  append_sample(out, name, "_bucket", labels, "+Inf", now.count);
  append_sample(out, name, "_sum", labels, {}, static_cast<double>(now.sum.count()) / 1e9);
  append_sample(out, name, "_count", labels, {}, now.count);
}

}  // namespace

std::uint64_t Counter::value() const {
  std::uint64_t sum = 0;
  for (const Stripe& stripe : stripes_) sum += stripe.value.load(std::memory_order_relaxed);
  return sum;
}

// One of the four is set: `read` for a watched series, else the object of the family's kind.
struct Registry::Series {
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Gauge> gauge;
  std::unique_ptr<Histogram> histogram;
  std::function<double()> read;
  std::uint64_t watch_id = 0;
};

struct Registry::Family {
  Kind kind;
  std::string help;
  std::map<std::string, Series> series;  // by the written labels; nodes stay where they are
};

Registry::Registry(MetricsOptions options) : options_(options), families_(std::make_unique<Guarded<Families>>()) {}
Registry::~Registry() = default;

Registry::Series& Registry::series(Families& families, Kind kind, std::string_view name, std::string_view help,
                                   Labels labels) const {
  CHECK(is_name(name, true));
  std::ranges::sort(labels);
  for (const auto& label : labels)
    CHECK(is_name(label.first, false) && !label.first.starts_with("__") && label.first != "le");

  const auto [place, fresh] = families.try_emplace(std::string(name), Family{kind, std::string(help), {}});
  Family& family = place->second;
  CHECK(family.kind == kind);  // one name, one kind
  std::string text = written(labels);
  if (const auto known = family.series.find(text); known != family.series.end()) return known->second;
  if (family.series.size() >= options_.series_max && !labels.empty() && name != overflow_family) {
    Series& lost =
        series(families, Kind::counter, overflow_family,
               "Times that a new series was asked for in a family that was full.", {{"family", std::string(name)}});
    if (!lost.counter) lost.counter = std::make_unique<Counter>();
    lost.counter->add();
    for (auto& label : labels) label.second = "overflow";
    text = written(labels);
  }
  return family.series[std::move(text)];
}

Counter& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
  const auto families = families_->lock();
  Series& mine = series(*families, Kind::counter, name, help, std::move(labels));
  if (!mine.counter) mine.counter = std::make_unique<Counter>();
  return *mine.counter;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  const auto families = families_->lock();
  Series& mine = series(*families, Kind::gauge, name, help, std::move(labels));
  if (!mine.gauge) mine.gauge = std::make_unique<Gauge>();
  return *mine.gauge;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, Labels labels) {
  CHECK(name.ends_with("_seconds"));
  const auto families = families_->lock();
  Series& mine = series(*families, Kind::histogram, name, help, std::move(labels));
  if (!mine.histogram) mine.histogram = std::make_unique<Histogram>();
  return *mine.histogram;
}

Registry::Watch Registry::watch(Kind kind, std::string_view name, std::string_view help, Labels labels,
                                std::function<double()> read) {
  const auto families = families_->lock();
  Series& mine = series(*families, kind, name, help, std::move(labels));
  mine.read = std::move(read);
  return Watch(*this, mine, ++mine.watch_id);
}

Registry::Watch Registry::watch_gauge(std::string_view name, std::string_view help, Labels labels,
                                      std::function<double()> read) {
  return watch(Kind::gauge, name, help, std::move(labels), std::move(read));
}

Registry::Watch Registry::watch_counter(std::string_view name, std::string_view help, Labels labels,
                                        std::function<double()> read) {
  return watch(Kind::counter, name, help, std::move(labels), std::move(read));
}

void Registry::forget(Series& series, std::uint64_t watch_id) {
  const auto families = families_->lock();
  if (series.watch_id == watch_id) series.read = nullptr;
}

std::string Registry::expose() const {
  constexpr std::string_view kinds[] = {"counter", "gauge", "histogram"};
  std::string out;
  const auto families = std::as_const(*families_).lock();
  for (const auto& [name, family] : *families) {
    out += "# HELP " + name + ' ';
    append_escaped(out, family.help, Quotes::plain);
    out += "\n# TYPE " + name + ' ';
    out += kinds[static_cast<std::size_t>(family.kind)];
    out += '\n';
    for (const auto& [labels, series] : family.series) {
      if (series.read)
        append_sample(out, name, {}, labels, {}, series.read());
      else if (series.counter)
        append_sample(out, name, {}, labels, {}, series.counter->value());
      else if (series.gauge)
        append_sample(out, name, {}, labels, {}, series.gauge->value());
      else if (series.histogram)
        append_histogram(out, name, labels, *series.histogram);
    }
  }
  return out;
}

}  // namespace chaveiro
