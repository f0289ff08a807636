// net/served_connection.h
//
// The class behind net/connection.h. Its members are defined in three files: the connection itself (connection.cpp), its reading
// side (connection_reading.cpp) and its answering side (connection_answering.cpp).
#pragma once

#include <boost/asio/ssl/stream.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "net/body_pipe.h"
#include "net/connection.h"
#include "net/input_buffer.h"
#include "net/parser.h"

namespace chaveiro::net {

using TlsStream = boost::asio::ssl::stream<Socket>;

template <class Stream>
class Connection final : public ServedConnection,
                         public ServerExchange,
                         public std::enable_shared_from_this<Connection<Stream>> {
  static constexpr bool is_tls = std::is_same_v<Stream, TlsStream>;
  static constexpr std::size_t output_high = 64 * 1024;  // nothing more is prepared while this much waits to be written
  enum class Reading : std::uint8_t { handshake, head, body, held, lingering };
  enum class Pipe : std::uint8_t { body, answer };
  enum class Answering : std::uint8_t { nothing, owed, streaming };

 public:
  Connection(std::shared_ptr<IoThread> io, Stream stream, Peer peer, std::shared_ptr<ServerShared> shared,
             Admission admission)
      : io_(std::move(io)),
        shared_(std::move(shared)),
        options_(shared_->options),
        stream_(std::move(stream)),
        peer_(std::move(peer)),
        admission_(admission),
        parser_({options_.header_bytes_max, options_.header_count_max}) {}

  void start();

  // From any thread.
  void respond(std::uint64_t request, Response response) override;
  std::shared_ptr<BodyPipe> respond_streaming(std::uint64_t request, Response head) override;

  // From the thread's ticker and its end.
  void tick(SteadyTime now) override;
  void drain() override;
  void kill() override { close(); }

 private:
  std::shared_ptr<Connection> self() { return this->shared_from_this(); }
  Socket& socket() {
    if constexpr (is_tls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }
  static Error gone() { return fail(Code::cancelled, "Cancelled", "the peer went away"); }
  static SteadyTime after(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

  std::shared_ptr<BodyPipe> make_pipe(Pipe pipe);
  void handshake_done();

  bool is_idle() const {
    return reading_ == Reading::head && !head_begun_ && answering_ == Answering::nothing && out_.empty() && !writing_;
  }

  // Does all that can be done without waiting, then waits for what is missing.
  void advance();

  // The reading side.
  bool read_messages();
  bool read_head();
  void begin_exchange();
  void begin_body(Request request);
  bool read_body();
  void body_done();
  void resume_reading();
  void arm_read();

  // A head of the largest size, and a byte that shows that it is larger.
  std::size_t head_capacity() const { return options_.header_bytes_max + InputBuffer::small; }

  void on_read(const boost::system::error_code& error, std::size_t size);

  // The answering side.
  void hand_over(Request request);
  bool expects(std::uint64_t request) const { return !closed_ && request == owed_ && answering_ == Answering::owed; }
  void answer(std::uint64_t request, Response response);
  void answer_streaming(std::uint64_t request, const Response& head, const std::shared_ptr<BodyPipe>& pipe);
  bool pump_answer();
  void finish_exchange(int status);
  void report(int status);

  // A request that never reaches the handler, or is taken from it.
  void refuse(const Refusal& refusal);
  void refuse_with(Response response);
  void time_out(const char* why, std::string_view detail);

  // The writing side. True when everything that waited has been written.
  bool write_out();
  void write_more();

  // All has been written. A peer that is still sending would take a reset for our answer, so it is heard out for a while.
  void end();

  // A body that cannot be completed must not look complete: the connection is reset.
  void abort();
  void drop(const char* why);
  void close();

  // The connection whose request this thread is handing to the handler: an answer given meanwhile needs no post.
  inline static thread_local const void* handing_over_ = nullptr;

  const std::shared_ptr<IoThread> io_;  // first, so that it outlives the socket
  const std::shared_ptr<ServerShared> shared_;
  const ServerOptions& options_;
  Stream stream_;
  Peer peer_;
  const Admission admission_;
  RequestParser parser_;
  InputBuffer input_;

  Reading reading_ = Reading::handshake;
  Answering answering_ = Answering::nothing;
  SteadyTime expires_;           // of the reading side
  SteadyTime write_expires_;     // of the write under way
  std::uint64_t exchanges_ = 0;  // begun
  std::uint64_t owed_ = 0;       // number of the request that may be answered now
  bool head_begun_ = false;      // a part of the next head is here
  bool idle_ = false;
  bool read_armed_ = false;
  bool paused_ = false;  // the body's window is full
  bool writing_ = false;
  bool closing_ = false;  // after what is in out_
  bool linger_ = false;
  bool draining_ = false;
  bool closed_ = false;

  // The request under way.
  Method method_ = Method::get;
  bool http_1_0_ = false;
  bool keep_ = true;
  bool chunked_ = false;
  bool discard_ = false;  // the pieces of a streamed answer that must have no body
  int status_ = 0;
  Request request_;     // while its whole body is awaited
  std::string target_;  // only where somebody observes
  std::uint64_t body_bytes_ = 0;
  std::uint64_t bytes_out_ = 0;
  SteadyTime began_;
  SteadyTime body_began_;
  SteadyTime paused_at_;
  std::shared_ptr<BodyPipe> body_pipe_;
  std::shared_ptr<BodyPipe> answer_pipe_;

  std::string out_;      // not yet handed to the socket
  std::string written_;  // being written
  std::size_t write_offset_ = 0;
};

}  // namespace chaveiro::net
