// The answering side of a connection: the handler's answers and the server's own refusals.
#include <utility>

#include "net/answer.h"
#include "net/served_connection.h"

namespace chaveiro::net {

template <class Stream>
void Connection<Stream>::hand_over(Request request) {
  const void* const outer = std::exchange(handing_over_, this);
  try {
    shared_->handler(std::move(request), Responder(self(), owed_));
  } catch (...) {  // NOLINT(bugprone-empty-catch)
    // The responder went with the exception and has answered 500.
  }
  handing_over_ = outer;
}

template <class Stream>
void Connection<Stream>::answer(std::uint64_t request, Response response) {
  if (!expects(request)) return;
  if (response.status < 200 || response.status > 599) {
    response = problem_response(500, "InternalError", "the handler's status is none of HTTP's");
  }
  if (reading_ == Reading::body) keep_ = false;  // answered before the body was read: what follows is not a request
  if (draining_) keep_ = false;
  const std::size_t before = out_.size();
  append_answer(out_, response, {AnswerFraming::Body::sized, method_ == Method::head, keep_, http_1_0_}, io_->date());
  bytes_out_ = out_.size() - before;
  finish_exchange(response.status);
}

template <class Stream>
void Connection<Stream>::answer_streaming(std::uint64_t request, const Response& head,
                                          const std::shared_ptr<BodyPipe>& pipe) {
  if (!expects(request)) return pipe->fail(gone());
  if (draining_) keep_ = false;
  if (http_1_0_) keep_ = false;
  chunked_ = !http_1_0_;
  discard_ = method_ == Method::head || !status_allows_body(head.status);
  answer_pipe_ = pipe;
  answering_ = Answering::streaming;
  status_ = head.status;
  bytes_out_ = 0;
  const auto body = chunked_ ? AnswerFraming::Body::chunked : AnswerFraming::Body::until_close;
  append_answer(out_, head, {body, method_ == Method::head, keep_, http_1_0_}, io_->date());
}

template <class Stream>
bool Connection<Stream>::pump_answer() {
  bool worked = false;
  while (answering_ == Answering::streaming && !writing_ && out_.size() < output_high) {
    BodyPipe::Taken taken = answer_pipe_->take(output_high);
    if (taken.broken) {
      abort();
      return true;
    }
    bytes_out_ += taken.bytes.size();
    if (!discard_) {
      if (chunked_) {
        append_chunk(out_, taken.bytes);
      } else {
        out_ += taken.bytes;
      }
    }
    if (taken.finished) {
      if (!discard_ && chunked_) out_ += last_chunk;
      answer_pipe_.reset();
      if (reading_ == Reading::body) keep_ = false;
      finish_exchange(status_);
      return true;
    }
    if (taken.bytes.empty()) break;
    worked = true;
  }
  return worked;
}

template <class Stream>
void Connection<Stream>::finish_exchange(int status) {
  answering_ = Answering::nothing;
  report(status);
  if (!keep_) {
    closing_ = true;
    linger_ = reading_ == Reading::body || !input_.unread().empty();
  } else {
    reading_ = Reading::head;
    parser_.next();
  }
  if (body_pipe_) body_pipe_->fail(gone());
  body_pipe_.reset();
}

template <class Stream>
void Connection<Stream>::report(int status) {
  if (!options_.observer.exchange) return;
  const auto duration = std::chrono::steady_clock::now() - began_;
  options_.observer.exchange({method_, target_, status, body_bytes_, bytes_out_, duration});
  body_bytes_ = 0;
}

template <class Stream>
void Connection<Stream>::refuse(const Refusal& refusal) {
  const Fault fault{refusal.status, refusal.reason, refusal.detail};
  refuse_with(options_.problem ? options_.problem(fault) : problem_response(fault.status, fault.reason, fault.detail));
}

template <class Stream>
void Connection<Stream>::refuse_with(Response response) {
  if (answering_ == Answering::streaming) return abort();
  if (answering_ == Answering::nothing) {  // the head itself is at fault: nothing is known of the request
    method_ = Method::get;
    http_1_0_ = false;
    target_.clear();
    began_ = std::chrono::steady_clock::now();
  }
  ++owed_;  // an answer that the handler may still give comes too late
  answering_ = Answering::owed;
  keep_ = false;
  if (response.status == 503) response.headers.add("Retry-After", "1");
  answer(owed_, std::move(response));
  linger_ = true;
}

template <class Stream>
void Connection<Stream>::time_out(const char* why, std::string_view detail) {
  if (options_.observer.dropped) options_.observer.dropped(why);
  if (body_pipe_) body_pipe_->fail(fail(Code::invalid, "RequestTimeout", std::string(detail)));
  refuse({408, "RequestTimeout", detail});
  advance();
}

template class Connection<Socket>;
template class Connection<TlsStream>;

}  // namespace chaveiro::net
