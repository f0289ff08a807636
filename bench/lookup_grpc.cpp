#include <nghttp2/nghttp2.h>

#include <cstring>
#include <vector>

#include "base/check.h"
#include "bench/lookup_connection.h"

namespace chaveiro::bench {
namespace {

constexpr std::int32_t window_bytes = (std::int32_t{1} << 30) - 1;

struct Stream {
  std::size_t key = 0;
  Nanos due = 0;
  bool http_ok = false, grpc_ok = false;
  std::string status;  // where it was not 0
  std::string body;
};

// The top-level fields of a message, of which we want two.
struct Answer {
  std::string_view dict_key;
  Source source = Source::unknown;
  bool whole = false;
};

class Varints {
 public:
  explicit Varints(std::string_view text) : text_(text) {}
  bool more() const { return !text_.empty() && !broken_; }
  bool broken() const { return broken_; }
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (text_.empty()) break;
      const auto byte = static_cast<std::uint8_t>(text_.front());
      text_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    broken_ = true;
    return 0;
  }
  std::string_view bytes(std::uint64_t count) {
    if (count > text_.size()) broken_ = true;
    if (broken_) return {};
    const std::string_view taken = text_.substr(0, count);
    text_.remove_prefix(count);
    return taken;
  }

 private:
  std::string_view text_;
  bool broken_ = false;
};

Answer read_answer(std::string_view message) {
  Answer answer;
  Varints in(message);
  while (in.more()) {
    const std::uint64_t tag = in.number();
    switch (tag & 7) {
      case 0: {
        const std::uint64_t value = in.number();
        if (tag >> 3 == 101 && value <= 3) answer.source = static_cast<Source>(value);
        break;
      }
      case 2: {
        const std::string_view bytes = in.bytes(in.number());
        if (tag >> 3 == 1) answer.dict_key = bytes;
        break;
      }
      default:
        return answer;  // no other wire type stands in this message
    }
  }
  answer.whole = !in.broken();
  return answer;
}

class GrpcConnection final : public Connection {
 public:
  GrpcConnection(const Peer& peer, std::size_t streams, const Requests& requests, Answers& answers,
                 std::string* last_message)
      : socket_(peer.port), streams_(streams), requests_(requests), answers_(answers), last_message_(last_message) {
    for (Stream& stream : streams_) free_.push_back(&stream);
    make_headers(peer);
    make_session();
  }
  ~GrpcConnection() override { nghttp2_session_del(session_); }
  GrpcConnection(const GrpcConnection&) = delete;
  GrpcConnection& operator=(const GrpcConnection&) = delete;

  int descriptor() const override { return socket_.descriptor(); }
  std::size_t in_flight() const override { return streams_.size() - free_.size(); }
  std::size_t room() const override { return free_.size(); }

  void start(std::size_t key, Nanos due) override {
    CHECK(!free_.empty());
    Stream& stream = *free_.back();
    free_.pop_back();
    stream.key = key;
    stream.due = due;
    stream.http_ok = stream.grpc_ok = false;
    stream.status.clear();
    stream.body.clear();
    nghttp2_data_provider body{{.ptr = &stream}, read_body};
    if (nghttp2_submit_request(session_, nullptr, headers_.data(), headers_.size(), &body, &stream) < 0)
      stop("nghttp2 takes no more requests");
  }

  void send() override {
    while (true) {
      const std::uint8_t* bytes = nullptr;
      const auto count = nghttp2_session_mem_send(session_, &bytes);
      if (count < 0) stop(std::string("nghttp2: ") + nghttp2_strerror(static_cast<int>(count)));
      if (count == 0) break;
      socket_.unsent().append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
    }
    socket_.send();
  }

  void receive() override {
    const std::string_view arrived = socket_.receive();
    const auto count =
        nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(arrived.data()), arrived.size());
    if (count < 0) stop(std::string("nghttp2: ") + nghttp2_strerror(static_cast<int>(count)));
  }

 private:
  void make_headers(const Peer& peer) {
    authority_ = "127.0.0.1:" + std::to_string(peer.port);
    authorization_ = "Bearer " + peer.token;
    const auto add = [this](std::string_view name, std::string_view value) {
      const auto bytes = [](std::string_view text) {
        return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
      };
      headers_.push_back({bytes(name), bytes(value), name.size(), value.size(),
                          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE});
    };
    add(":method", "POST");
    add(":scheme", "http");
    add(":path", "/dict.core.v1.CoreDictService/LookupKey");
    add(":authority", authority_);
    add("te", "trailers");
    add("content-type", "application/grpc");
    add("user-agent", "chaveiro-bench");
    add("grpc-timeout", "5S");
    if (!peer.token.empty()) add("authorization", authorization_);
    add("pi-payer-id", "10000000019");
    add("pi-end-to-end-id", "E1234567820240601120000000000001");
  }

  void make_session() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window_bytes},
                                               {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, window_bytes);
    send();
  }

  static Stream& stream_of(nghttp2_session* session, std::int32_t id) {
    return *static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t room, std::uint32_t* flags,
                           nghttp2_data_source* source, void* self) {
    const auto& stream = *static_cast<const Stream*>(source->ptr);
    const std::string_view frame = static_cast<GrpcConnection*>(self)->requests_.frame(stream.key);
    CHECK(frame.size() <= room);
    std::memcpy(into, frame.data(), frame.size());
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(frame.size());
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name_bytes,
                       std::size_t name_size, const std::uint8_t* value_bytes, std::size_t value_size, std::uint8_t,
                       void*) {
    const std::string_view name(reinterpret_cast<const char*>(name_bytes), name_size);
    const std::string_view value(reinterpret_cast<const char*>(value_bytes), value_size);
    if (name == ":status") {
      stream_of(session, frame->hd.stream_id).http_ok = value == "200";
    } else if (name == "grpc-status") {
      Stream& stream = stream_of(session, frame->hd.stream_id);
      stream.grpc_ok = value == "0";
      if (!stream.grpc_ok) stream.status.insert(0, "grpc-status " + std::string(value) + " ");
    } else if (name == "grpc-message") {
      stream_of(session, frame->hd.stream_id).status += value;
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                     std::size_t count, void*) {
    stream_of(session, id).body.append(reinterpret_cast<const char*>(bytes), count);
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void*) {
    if (frame->hd.type == NGHTTP2_GOAWAY) stop("the server ends the connection (GOAWAY)");
    return 0;
  }

  static int on_close(nghttp2_session* session, std::int32_t id, std::uint32_t error, void* self) {
    static_cast<GrpcConnection*>(self)->ended(stream_of(session, id), error);
    return 0;
  }

  void ended(Stream& stream, std::uint32_t error) {
    free_.push_back(&stream);
    if (error != 0) return answers_.wrong("a stream was reset, code " + std::to_string(error));
    if (!stream.http_ok) return answers_.wrong(":status is not 200");
    if (!stream.grpc_ok) return answers_.wrong(stream.status.empty() ? "no grpc-status" : stream.status);
    if (stream.body.size() < Requests::frame_head) return answers_.wrong("an answer without a message");
    const std::string_view message = std::string_view(stream.body).substr(Requests::frame_head);
    const Answer answer = read_answer(message);
    if (!answer.whole || answer.dict_key != requests_.dict_key(stream.key))
      return answers_.wrong("an answer does not carry the key that was asked for");
    if (last_message_) *last_message_ = message;
    answers_.right(stream.due, message.size(), answer.source);
  }

  Socket socket_;
  std::vector<Stream> streams_;
  std::vector<Stream*> free_;
  const Requests& requests_;
  Answers& answers_;
  std::string* last_message_;
  std::string authority_, authorization_;
  std::vector<nghttp2_nv> headers_;
  nghttp2_session* session_ = nullptr;
};

}  // namespace

std::unique_ptr<Connection> connect_grpc(const Peer& peer, std::size_t streams, const Requests& requests,
                                         Answers& answers, std::string* last_message) {
  return std::make_unique<GrpcConnection>(peer, streams, requests, answers, last_message);
}

}  // namespace chaveiro::bench
