// The reading side of a connection: heads and bodies.
#include <algorithm>
#include <utility>

#include "net/served_connection.h"

namespace chaveiro::net {
namespace {

using boost::system::error_code;
using Progress = ParseStep::Progress;

constexpr std::size_t buffer_large = 64 * 1024;  // while a body comes in

}  // namespace

template <class Stream>
bool Connection<Stream>::read_messages() {
  std::size_t handled = 0;
  bool worked = false;
  while (!closed_ && !closing_) {
    bool progress = false;
    if (reading_ == Reading::head && !writing_ && out_.size() < output_high) {
      progress = read_head();
      if (progress && ++handled == options_.pipeline_max) return true;
    } else if (reading_ == Reading::body && !paused_) {
      progress = read_body();
    }
    if (!progress) break;
    worked = true;
  }
  return worked;
}

template <class Stream>
bool Connection<Stream>::read_head() {
  const ParseStep step = parser_.head(input_.unread());
  input_.consume(step.consumed);
  if (step.progress == Progress::refused) {
    refuse(parser_.refusal());
    return true;
  }
  if (step.progress == Progress::need_more) {
    if (!head_begun_ && !input_.unread().empty()) {
      head_begun_ = true;
      if (exchanges_ > 0) expires_ = after(options_.header_timeout);
    }
    return step.consumed > 0;
  }
  begin_exchange();
  return true;
}

template <class Stream>
void Connection<Stream>::begin_exchange() {
  head_begun_ = false;
  ++exchanges_;
  ++owed_;
  answering_ = Answering::owed;
  Request request = std::move(parser_.request());
  request.peer = peer_;
  method_ = request.method;
  http_1_0_ = parser_.http_1_0();
  keep_ = parser_.keep_alive() && !draining_;
  if (options_.observer.exchange) {
    target_ = request.target;
    began_ = std::chrono::steady_clock::now();
  }
  if (!parser_.has_body()) {
    reading_ = Reading::held;
    return hand_over(std::move(request));
  }
  begin_body(std::move(request));
}

template <class Stream>
void Connection<Stream>::begin_body(Request request) {
  reading_ = Reading::body;
  BodyPlan plan = options_.body_plan ? options_.body_plan(request) : BodyPlan{};
  if (plan.refuse) return refuse_with(std::move(*plan.refuse));
  const std::uint64_t bytes_max = plan.bytes_max.value_or(options_.body_bytes_max);
  const auto length = parser_.content_length();
  if (length && *length > bytes_max) return refuse({413, "PayloadTooLarge", "the body is larger than allowed"});
  parser_.limit_body(bytes_max);
  if (parser_.expects_continue() && input_.unread().empty()) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  body_bytes_ = 0;
  body_began_ = std::chrono::steady_clock::now();
  expires_ = body_began_ + options_.body_timeout;
  if (plan.mode == BodyPlan::Mode::stream) {
    body_pipe_ = make_pipe(Pipe::body);
    request.stream = std::make_shared<BodyReader>(body_pipe_);
    return hand_over(std::move(request));
  }
  if (length) request.body.reserve(std::min<std::uint64_t>(*length, buffer_large));
  request_ = std::move(request);
}

template <class Stream>
bool Connection<Stream>::read_body() {
  std::string piece;
  std::string& target = body_pipe_ ? piece : request_.body;
  const std::size_t size_before = target.size();
  const ParseStep step = parser_.body(input_.unread(), target);
  input_.consume(step.consumed);
  body_bytes_ += target.size() - size_before;
  if (step.progress == Progress::refused) {
    const Refusal& refusal = parser_.refusal();
    if (body_pipe_) {
      body_pipe_->fail(fail(Code::invalid, std::string(refusal.reason), std::string(refusal.detail)));
    }
    refuse(refusal);
    return true;
  }
  if (options_.body_rate_min > 0) {
    const auto earned = std::chrono::microseconds(body_bytes_ * 1'000'000 / options_.body_rate_min);
    expires_ = body_began_ + options_.body_timeout + earned;
  }
  if (body_pipe_ && !piece.empty() && !body_pipe_->put(piece)) {
    paused_ = true;
    paused_at_ = std::chrono::steady_clock::now();
  }
  if (step.progress == Progress::done) body_done();
  return step.progress == Progress::done || step.consumed > 0;
}

template <class Stream>
void Connection<Stream>::body_done() {
  reading_ = Reading::held;
  paused_ = false;
  if (body_pipe_) {
    body_pipe_->finish();
    body_pipe_.reset();
  } else {
    hand_over(std::move(request_));
  }
}

template <class Stream>
void Connection<Stream>::resume_reading() {
  if (!std::exchange(paused_, false)) return;
  body_began_ += std::chrono::steady_clock::now() - paused_at_;  // the wait was ours, not the sender's
  expires_ += std::chrono::steady_clock::now() - paused_at_;
}

template <class Stream>
void Connection<Stream>::arm_read() {
  const bool wanted = (reading_ == Reading::head && !writing_ && !closing_) ||
                      (reading_ == Reading::body && !paused_ && !closing_) || reading_ == Reading::lingering;
  if (!wanted || read_armed_) return;
  if (reading_ == Reading::head && !head_begun_ && exchanges_ > 0 && !idle_) {
    idle_ = true;
    expires_ = after(options_.idle_timeout);
    input_.shrink();
  }
  read_armed_ = true;
  const std::size_t capacity = reading_ == Reading::body ? std::max(buffer_large, head_capacity()) : head_capacity();
  stream_.async_read_some(input_.room(capacity),
                          [self = self()](const error_code& error, std::size_t size) { self->on_read(error, size); });
}

template <class Stream>
void Connection<Stream>::on_read(const error_code& error, std::size_t size) {
  read_armed_ = false;
  if (closed_) return;
  if (error) return close();
  idle_ = false;
  input_.came(size);
  if (reading_ == Reading::lingering) {
    input_.consume(input_.unread().size());
    return arm_read();
  }
  advance();
}

template class Connection<Socket>;
template class Connection<TlsStream>;

}  // namespace chaveiro::net
