#include "clients/redis/scan.h"

namespace chaveiro::redis {

Scan::Scan(Client& client, ScanOptions options, Deadline deadline)
    : client_(client), options_(std::move(options)), deadline_(deadline) {
  if (options_.key.empty()) nodes_ = client_.masters();
}

Result<std::optional<Texts>> Scan::next_page() {
  if (begun_ && cursor_ == "0") {
    ++node_;
    begun_ = false;
  }
  if (node_ >= std::max<std::size_t>(nodes_.size(), options_.key.empty() ? 0 : 1)) {
    if (options_.key.empty() && nodes_.empty()) {
      return fail(Code::unavailable, "NoServer", "Redis: no server is known");
    }
    return std::optional<Texts>();
  }
  Command command(options_.command);
  if (!options_.key.empty()) command.add(options_.key);
  command.add(begun_ ? cursor_ : std::string("0"));
  if (!options_.match.empty()) command.add("MATCH").add(options_.match);
  if (options_.count > 0) command.add("COUNT").add(options_.count);
  if (!options_.type.empty() && options_.key.empty()) command.add("TYPE").add(options_.type);
  TRY(std::vector<Value> answer,
      as_items(options_.key.empty() ? client_.call_node(nodes_[node_], std::move(command), deadline_)
                                    : client_.call(std::move(command), deadline_)));
  if (answer.size() != 2) return fail(Code::corrupt, "UnexpectedReply", "Redis: no page of a scan");
  TRY(std::string cursor, as_text(std::move(answer[0])));
  TRY(Texts page, as_texts(std::move(answer[1])));
  cursor_ = std::move(cursor);
  begun_ = true;
  return std::optional(std::move(page));
}

void Scan::fill() {
  at_ = 0;
  do {
    auto page = next_page();
    if (!page || !*page) {
      if (!page) status_ = page.error();
      ended_ = true;
      page_.clear();
      return;
    }
    page_ = std::move(**page);
  } while (page_.empty());
}

void Scan::advance() {
  if (++at_ >= page_.size()) fill();
}

Scan::Iterator Scan::begin() {
  fill();
  return Iterator(this);
}

}  // namespace chaveiro::redis
