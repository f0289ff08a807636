#include "clients/pulsar/errors.h"

#include <string>

namespace chaveiro::clients::pulsar {
namespace {

struct Meaning {
  Code code;
  std::string_view reason;
};

Meaning meaning_of(wire::ServerError error) {
  using wire::ServerError;
  switch (error) {
    case ServerError::authentication:
      return {Code::unauthenticated, "Unauthenticated"};
    case ServerError::authorization:
      return {Code::forbidden, "Forbidden"};
    case ServerError::consumer_busy:
      return {Code::conflict, "SubscriptionTaken"};
    case ServerError::producer_busy:
      return {Code::conflict, "ProducerBusy"};
    case ServerError::producer_fenced:
      return {Code::conflict, "ProducerFenced"};
    case ServerError::producer_blocked_quota:
    case ServerError::producer_blocked_quota_exception:
      return {Code::exhausted, "BacklogFull"};
    case ServerError::checksum:
      return {Code::corrupt, "ChecksumMismatch"};
    case ServerError::unsupported_version:
      return {Code::invalid, "UnsupportedVersion"};
    case ServerError::topic_not_found:
      return {Code::not_found, "TopicNotFound"};
    case ServerError::subscription_not_found:
      return {Code::not_found, "SubscriptionNotFound"};
    case ServerError::topic_terminated:
      return {Code::conflict, "TopicTerminated"};
    case ServerError::invalid_topic_name:
      return {Code::invalid, "InvalidTopicName"};
    case ServerError::incompatible_schema:
      return {Code::invalid, "IncompatibleSchema"};
    case ServerError::not_allowed:
      return {Code::forbidden, "NotAllowed"};
    case ServerError::too_many_requests:
      return {Code::unavailable, "BrokerBusy"};
    default:
      return {Code::unavailable, "BrokerUnavailable"};
  }
}

}  // namespace

Error error_of(wire::ServerError error, std::string_view message) {
  const Meaning meaning = meaning_of(error);
  // The broker adds where in its code it happened; the first line says what.
  return fail(meaning.code, std::string(meaning.reason),
              "the broker says: " + std::string(message.substr(0, message.find('\n'))));
}

bool passes_by_itself(const Error& error) {
  if (error.reason == "CertificateRefused") return false;
  return error.code == Code::unavailable || error.code == Code::deadline || error.reason == "ProducerBusy" ||
         error.reason == "BacklogFull";
}

}  // namespace chaveiro::clients::pulsar
