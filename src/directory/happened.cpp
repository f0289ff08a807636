#include "directory/happened.h"

#include "events/topics.h"

namespace chaveiro::directory {
namespace {

using events::DataText;
using events::DomainEvent;

Uuid next_event_id(UtcTime at) {
  static UuidV7 ids;
  return ids.make(at);
}

void put_account(DataText& data, const Account& account) {
  data.text("participant", account.ispb.view());
  data.text_if("branch", account.branch);
  data.text("account_number", account.number).text("account_type", to_string(account.type));
}

void put_owner(DataText& data, const Person& owner) {
  data.text("owner_type", to_string(owner.type)).text("owner_tax_id", owner.tax_id).text("owner_name", owner.name);
  data.text_if("owner_trade_name", owner.trade_name);
}

DomainEvent event_of(const Change& change, std::string type, const Uuid& aggregate, std::string_view aggregate_type,
                     std::uint64_t version, std::uint64_t previous, DataText data) {
  DomainEvent event;
  event.event_id = next_event_id(change.at);
  event.event_type = std::move(type);
  event.aggregate_id = to_string(aggregate);
  event.aggregate_type = aggregate_type;
  event.timestamp = change.at;
  event.version = version;
  event.previous_version = previous;
  event.data = std::move(data).take();
  event.metadata = {{"operation", change.operation},
                    {"participant", std::string(change.ispb.view())},
                    {"actor", change.actor.subject},
                    {"correlation_id", change.actor.correlation_id}};
  return event;
}

class Told {
 public:
  Told(const Change& change, std::uint64_t sequence) : change_(change), sequence_(sequence) {}

  void operator()(const Put<Entry>& put) {
    const Entry& entry = put.after;
    DataText data;
    data.text("entry_id", to_string(entry.id)).text("key_type", to_string(entry.key.type()));
    data.text("key", entry.key.value()).text("status", to_string(entry.status));
    put_account(data, entry.account);
    put_owner(data, entry.owner());
    data.text("request_id", to_string(entry.request_id));
    data.time("created_at", entry.created_at)
        .time("owned_since", entry.owned_since)
        .time("updated_at", entry.updated_at);
    if (entry.deleted_at) data.time("deleted_at", *entry.deleted_at);
    if (entry.delete_reason) data.text("reason", to_string(*entry.delete_reason));
    const char* const type = !put.before ? "key.created" : entry.live() ? "key.updated" : "key.deleted";
    DomainEvent event = event_of(change_, type, entry.id.uuid, "entry", entry.version,
                                 put.before ? put.before->version : 0, std::move(data));
    if (!put.before && entry.status == EntryStatus::pending) {
      DomainEvent request = event;
      request.event_id = next_event_id(change_.at);
      request.event_type = "CreateKeyRequest";
      add(events::topics::requests_out, request);
    }
    add(events::topics::key_events, event);
  }

  void operator()(const Put<Claim>& put) {
    const Claim& claim = put.after;
    DataText data;
    data.text("claim_id", to_string(claim.id)).text("type", to_string(claim.type));
    data.text("key_type", to_string(claim.key.type())).text("key", claim.key.value());
    data.text("status", to_string(claim.status)).text("donor", claim.donor.view());
    data.text("claimer", claim.claimer().view());
    put_account(data, claim.claimer_account);
    put_owner(data, claim.claimer_account.holder);
    data.time("created_at", claim.created_at).time("resolution_end", claim.resolution_end);
    if (claim.completion_end) data.time("completion_end", *claim.completion_end);
    data.time("updated_at", claim.updated_at);
    add(events::topics::claim_events, event_of(change_, type_of(put), claim.id.uuid, "claim", claim.version,
                                               put.before ? put.before->version : 0, std::move(data)));
  }

  void operator()(const Put<Account>& put) {
    const Account& account = put.after;
    DataText data;
    data.text("account_id", to_string(account.id));
    put_account(data, account);
    data.text("status", to_string(account.status)).time("opened_at", account.opened_at);
    data.time("updated_at", account.updated_at);
    const char* const type = !put.before                               ? "account.created"
                             : account.status == AccountStatus::closed ? "account.closed"
                                                                       : "account.updated";
    add(events::topics::core_events, event_of(change_, type, account.id.uuid, "account", account.version,
                                              put.before ? put.before->version : 0, std::move(data)));
  }

  std::vector<events::OutboxEvent> take() { return std::move(told_); }

 private:
  static const char* type_of(const Put<Claim>& put) {
    if (!put.before) return "claim.created";
    if (put.before->status == put.after.status) return "claim.updated";
    switch (put.after.status) {
      case ClaimStatus::confirmed:
        return "claim.confirmed";
      case ClaimStatus::cancelled:
        return "claim.cancelled";
      case ClaimStatus::completed:
        return "claim.completed";
      default:
        return "claim.updated";
    }
  }
  void add(std::string_view topic, const DomainEvent& event) {
    told_.push_back({sequence_ * events::outbox_places + told_.size(), std::string(topic), events::to_message(event)});
  }

  const Change& change_;
  const std::uint64_t sequence_;
  std::vector<events::OutboxEvent> told_;
};

}  // namespace

std::vector<events::OutboxEvent> events_of(const Change& change, std::uint64_t sequence) {
  Told told(change, sequence);
  for (const Write& write : change.writes) std::visit(told, write);
  return told.take();
}

}  // namespace chaveiro::directory
