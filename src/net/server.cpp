#include "net/server.h"

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/address.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "net/connection.h"
#include "net/io_thread.h"

namespace chaveiro::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;
using std::chrono::milliseconds;

constexpr int backlog = 1024;
constexpr milliseconds accept_pause{50};  // after the process ran out of file descriptors

Result<void> check(const ServerOptions& options) {
  const auto bad = [](const char* what) { return fail(Code::invalid, "ServerOptions", what); };
  if (options.io_threads == 0 || options.io_threads > 256) return bad("io_threads must be 1 to 256");
  if (options.header_bytes_max < 64 || options.header_bytes_max > Headers::bytes_max) {
    return bad("header_bytes_max must be 64 to 65536");
  }
  if (options.header_count_max == 0 || options.header_count_max > Headers::fields_max) {
    return bad("header_count_max must be 1 to 256");
  }
  if (options.pipeline_max == 0) return bad("pipeline_max must be at least 1");
  if (options.stream_window_bytes == 0) return bad("stream_window_bytes must be at least 1");
  if (options.connections_max == 0) return bad("connections_max must be at least 1");
  for (const milliseconds limit :
       {options.idle_timeout, options.header_timeout, options.body_timeout, options.write_timeout}) {
    if (limit <= milliseconds{0}) return bad("every timeout must be above zero");
  }
  return {};
}

// Often enough that no limit is passed by more than a quarter.
milliseconds tick_interval(const ServerOptions& options) {
  const milliseconds shortest =
      std::min({options.idle_timeout, options.header_timeout, options.body_timeout, options.write_timeout});
  return std::clamp(shortest / 4, milliseconds{2}, milliseconds{250});
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(ServerOptions options, Handler handler) : shared_(std::make_shared<ServerShared>()) {
    shared_->options = std::move(options);
    shared_->handler = std::move(handler);
    for (std::size_t i = 0; i < shared_->options.io_threads; ++i) {
      threads_.push_back(std::make_shared<IoThread>(tick_interval(shared_->options)));
    }
    acceptor_.emplace(threads_[0]->context());
    accept_timer_.emplace(threads_[0]->context());
  }

  Result<void> listen() {
    error_code error;
    const auto address = asio::ip::make_address(shared_->options.address, error);
    if (error) return fail(Code::invalid, "ServerOptions", "'" + shared_->options.address + "' is no numeric address");
    const tcp::endpoint endpoint(address, shared_->options.port);
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) acceptor_->listen(backlog, error);
    if (!error) port_ = acceptor_->local_endpoint(error).port();
    if (!error) return {};
    return fail(Code::unavailable, "ListenFailed",
                shared_->options.address + ":" + std::to_string(shared_->options.port) + ": " + error.message());
  }

  void start() {
    accept();
    for (const auto& thread : threads_) thread->start();
  }

  std::uint16_t port() const { return port_; }

  bool stop(Deadline deadline) {
    if (std::exchange(stopped_, true)) return true;
    threads_[0]->post([this] {
      error_code ignored;
      acceptor_->close(ignored);
      accept_timer_->cancel();
    });
    for (const auto& thread : threads_) thread->drain();
    const bool clean = shared_->open.lock().wait(
        deadline, [](const OpenConnections& open) { return open.served + open.refused == 0; });
    for (const auto& thread : threads_) thread->kill_and_join();
    return clean;
  }

 private:
  void accept() {
    IoThread& target = *threads_[next_thread_];
    acceptor_->async_accept(target.context().get_executor(), [this](const error_code& error, Socket socket) {
      if (!acceptor_->is_open()) return;
      if (error) return pause(error);
      admit(std::move(socket));
      accept();
    });
  }

  // Aborted handshakes are nothing; without file descriptors, an immediate retry would only spin.
  void pause(const error_code& error) {
    if (error == asio::error::connection_aborted) return accept();
    accept_timer_->expires_after(accept_pause);
    accept_timer_->async_wait([this](const error_code& cancelled) {
      if (!cancelled && acceptor_->is_open()) accept();
    });
  }

  void admit(Socket socket) {
    const std::shared_ptr<IoThread>& io = threads_[next_thread_];
    next_thread_ = (next_thread_ + 1) % threads_.size();
    const auto admission = count_in();
    if (!admission) return;  // the socket closes itself
    if (admission == Admission::refuse && shared_->options.tls) return shared_->closed(*admission);
    if (io == threads_[0]) return start_connection(io, std::move(socket), shared_, *admission);
    io->post([io, socket = std::move(socket), shared = shared_, admission = *admission]() mutable {
      start_connection(io, std::move(socket), shared, admission);
    });
  }

  // None: neither served nor told why, because too many are being told already.
  std::optional<Admission> count_in() {
    const std::size_t max = shared_->options.connections_max;
    const std::size_t refused_max = 16 + max / 8;
    const auto admission = shared_->open.with([&](OpenConnections& open) -> std::optional<Admission> {
      if (open.served < max) return ++open.served, Admission::serve;
      if (open.refused < refused_max) return ++open.refused, Admission::refuse;
      return std::nullopt;
    });
    const auto& observer = shared_->options.observer;
    if (admission != Admission::serve && observer.dropped) observer.dropped("connections");
    return admission;
  }

  std::shared_ptr<ServerShared> shared_;
  std::vector<std::shared_ptr<IoThread>> threads_;
  std::optional<Acceptor> acceptor_;
  std::optional<asio::steady_timer> accept_timer_;
  std::size_t next_thread_ = 0;
  std::uint16_t port_ = 0;
  bool stopped_ = false;
};

Result<std::unique_ptr<HttpServer>> HttpServer::start(ServerOptions options, Handler handler) {
  TRY_VOID(check(options));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(handler));
  TRY_VOID(impl->listen());
  impl->start();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { impl_->stop(Deadline::in(Micros{0})); }
std::uint16_t HttpServer::port() const { return impl_->port(); }
bool HttpServer::stop(Deadline deadline) { return impl_->stop(deadline); }

Responder::Responder(std::shared_ptr<ServerExchange> exchange, std::uint64_t request)
    : exchange_(std::move(exchange)), request_(request) {}

Responder::~Responder() {
  if (exchange_) send(problem_response(500, "InternalError", "the request was not answered"));
}

Responder& Responder::operator=(Responder&& other) noexcept {
  if (this != &other) {
    Responder old(std::move(*this));
    exchange_ = std::move(other.exchange_);
    request_ = other.request_;
  }
  return *this;
}

void Responder::send(Response response) {
  CHECK(exchange_ != nullptr);
  const auto exchange = std::move(exchange_);
  exchange->respond(request_, std::move(response));
}

ResponseWriter Responder::stream(Response head) {
  CHECK(exchange_ != nullptr);
  const auto exchange = std::move(exchange_);
  return ResponseWriter(exchange->respond_streaming(request_, std::move(head)));
}

}  // namespace chaveiro::net
