#include "api/grpc/errors.h"

#include <google/rpc/error_details.pb.h>

#include "api/status.h"

namespace chaveiro::api::grpc {
namespace {

template <class Detail>
void attach(google::rpc::Status& status, const Detail& detail) {
  status.add_details()->PackFrom(detail);
}

google::protobuf::Duration duration_of(std::chrono::milliseconds time) {
  google::protobuf::Duration duration;
  duration.set_seconds(time.count() / 1000);
  duration.set_nanos(static_cast<std::int32_t>(time.count() % 1000 * 1'000'000));
  return duration;
}

bool tells_of_a_resource(Code code) {
  return code == Code::not_found || code == Code::exists || code == Code::conflict || code == Code::forbidden;
}

}  // namespace

google::rpc::Status rich_status(const Error& inside, const std::string& request_id,
                                const std::optional<Resource>& resource) {
  const Error error = for_outside(inside);
  google::rpc::Status status;
  status.set_code(status_row(error.code).grpc);
  status.set_message(error.message);

  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason_of(error)));
  info.set_domain(std::string(error_domain));
  attach(status, info);
  google::rpc::RequestInfo request;
  request.set_request_id(request_id);
  attach(status, request);

  if (!error.violations.empty() && error.code != Code::exhausted) {
    google::rpc::BadRequest bad;
    for (const FieldViolation& violation : error.violations) {
      auto& field = *bad.add_field_violations();
      field.set_field(violation.field);
      field.set_description(violation.description);
    }
    attach(status, bad);
  }
  if (resource && tells_of_a_resource(error.code)) {
    google::rpc::ResourceInfo about;
    about.set_resource_type(resource->type);
    about.set_resource_name(resource->name);
    about.set_description(error.message);
    attach(status, about);
  }
  if (error.code == Code::exhausted) {
    google::rpc::QuotaFailure quota;
    const auto add = [&](const std::string& subject, const std::string& description) {
      auto& violation = *quota.add_violations();
      violation.set_subject(subject);
      violation.set_description(description);
    };
    for (const FieldViolation& violation : error.violations) add(violation.field, violation.description);
    if (error.violations.empty()) add(std::string(reason_of(error)), error.message);
    attach(status, quota);
  }
  if (error.retry_after || error.code == Code::exhausted) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() = duration_of(error.retry_after.value_or(std::chrono::seconds{1}));
    attach(status, retry);
  }
  return status;
}

::grpc::Status grpc_status(const Error& error, const std::string& request_id, const std::optional<Resource>& resource) {
  const google::rpc::Status rich = rich_status(error, request_id, resource);
  return ::grpc::Status(static_cast<::grpc::StatusCode>(rich.code()), rich.message(), rich.SerializeAsString());
}

}  // namespace chaveiro::api::grpc
