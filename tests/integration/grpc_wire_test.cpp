// v1's contract by hand: what its clients send and read, field number by field number, without our generated messages.
#include <grpcpp/generic/generic_stub.h>

#include <map>

#include "tests/integration/grpc_edge.h"

namespace chaveiro {
namespace {

// A message as v1's clients put it on the wire: varints and length-delimited fields by number.
class Wire {
 public:
  Wire& number(int field, std::uint64_t value) { return varint(static_cast<std::uint64_t>(field) << 3).varint(value); }
  Wire& text(int field, const std::string& value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 2).varint(value.size());
    bytes_ += value;
    return *this;
  }
  Wire& message(int field, const Wire& inner) { return text(field, inner.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  Wire& varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
    return *this;
  }
  std::string bytes_;
};

// What a message holds: numbers and texts by field, the last of several.
struct Read {
  std::map<int, std::uint64_t> numbers;
  std::map<int, std::string> texts;
  std::multimap<int, std::string> all_texts;

  explicit Read(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::uint64_t tag = varint(bytes);
      const int field = static_cast<int>(tag >> 3);
      if ((tag & 7) == 0) {
        numbers[field] = varint(bytes);
      } else if ((tag & 7) == 2) {
        const std::uint64_t size = varint(bytes);
        texts[field] = std::string(bytes.substr(0, size));
        all_texts.emplace(field, texts[field]);
        bytes.remove_prefix(std::min<std::size_t>(size, bytes.size()));
      } else {
        ADD_FAILURE() << "wire type " << (tag & 7);
        return;
      }
    }
  }
  Read inside(int field) const { return Read(texts.contains(field) ? texts.at(field) : ""); }

 private:
  static std::uint64_t varint(std::string_view& bytes) {
    std::uint64_t value = 0;
    for (int shift = 0; !bytes.empty() && shift < 64; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(bytes.front());
      bytes.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) break;
    }
    return value;
  }
};

struct GrpcWire : GrpcEdge {
  // A call of v1's service by its path, with raw bytes both ways.
  Read send(const std::string& method, const Wire& request) {
    ::grpc::ClientContext context;
    prepare(context);
    const ::grpc::Slice slice(request.bytes());
    const ::grpc::ByteBuffer in(&slice, 1);
    ::grpc::ByteBuffer out;
    ::grpc::CompletionQueue queue;
    ::grpc::GenericStub generic(channel);
    const auto call = generic.PrepareUnaryCall(&context, "/dict.core.v1.CoreDictService/" + method, in, &queue);
    ::grpc::Status status;
    call->StartCall();
    call->Finish(&out, &status, this);
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue.Next(&tag, &ok));
    EXPECT_TRUE(status.ok()) << method << ": " << status.error_message();
    std::vector<::grpc::Slice> slices;
    EXPECT_TRUE(out.Dump(&slices).ok() || !status.ok());
    std::string bytes;
    for (const auto& piece : slices) bytes.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
    return Read(bytes);
  }
  static Wire key(std::uint64_t type, const std::string& value) { return Wire().number(1, type).text(2, value); }
};

TEST_F(GrpcWire, v1s_key_calls_have_their_numbers) {
  const std::string account = make_account(cpf_1, "1234567");
  const Read created = send("CreateKey", Wire().number(1, 1).text(2, cpf_1).text(3, account));
  const std::string id = created.texts.at(1);
  EXPECT_EQ(created.inside(2).numbers.at(1), 1u);
  EXPECT_EQ(created.inside(2).texts.at(2), cpf_1);
  EXPECT_EQ(created.numbers.at(3), 2u);
  EXPECT_EQ(created.inside(4).numbers.at(1), 1'767'225'600u);

  for (const Wire& identifier : {Wire().text(1, id), Wire().message(2, key(1, cpf_1))}) {
    const Read got = send("GetKey", identifier);
    EXPECT_EQ(got.texts.at(1), id);
    const Read its_account = got.inside(3);
    EXPECT_EQ(its_account.texts.at(1), bank_a);
    EXPECT_EQ(its_account.numbers.at(2), 3u);
    EXPECT_EQ(its_account.texts.at(3), "1234567");
    EXPECT_FALSE(its_account.texts.contains(4));
    EXPECT_EQ(its_account.texts.at(5), "0001");
    EXPECT_EQ(its_account.texts.at(6), "João da Silva");
    EXPECT_EQ(its_account.texts.at(7), cpf_1);
    EXPECT_EQ(its_account.numbers.at(8), 1u);
    EXPECT_EQ(got.numbers.at(4), 2u);
    EXPECT_TRUE(got.texts.contains(5) && got.texts.contains(6));
  }
  const Read list = send("ListKeys", Wire().number(1, 10).number(3, 1).number(4, 2));
  EXPECT_EQ(list.numbers.at(3), 1u);
  const Read summary = list.inside(1);
  EXPECT_EQ(summary.texts.at(1), id);
  EXPECT_EQ(summary.inside(2).texts.at(2), cpf_1);
  EXPECT_EQ(summary.numbers.at(3), 2u);
  EXPECT_EQ(summary.texts.at(4), account);
  EXPECT_TRUE(summary.texts.contains(5) && summary.texts.contains(6));

  const Read found = send("LookupKey", Wire().message(1, key(1, cpf_1)));
  EXPECT_EQ(found.inside(1).texts.at(2), cpf_1);
  EXPECT_EQ(found.inside(2).texts.at(1), bank_a);
  EXPECT_EQ(found.texts.at(3), "João da Silva");
  EXPECT_EQ(found.numbers.at(4), 2u);

  const Read removed = send("DeleteKey", Wire().text(1, id));
  EXPECT_EQ(removed.numbers.at(1), 1u);
  EXPECT_TRUE(removed.texts.contains(2));
}

TEST_F(GrpcWire, v1s_claim_calls_have_their_numbers) {
  make_key(common::KEY_TYPE_CPF, cpf_1, cpf_1, bank_b);
  const Read started = send("StartClaim", Wire().message(1, key(1, cpf_1)).text(2, make_account(cpf_1, "777")));
  const std::string id = started.texts.at(1);
  EXPECT_EQ(started.texts.at(2).size(), 36u);
  EXPECT_EQ(started.numbers.at(3), 1u);
  EXPECT_EQ(started.inside(4).numbers.at(1), 1'767'225'600u + 7 * 86'400);
  EXPECT_EQ(started.inside(5).numbers.at(1), 1'767'225'600u);
  EXPECT_FALSE(started.texts.at(6).empty());

  const Read told = send("GetClaimStatus", Wire().text(1, id));
  EXPECT_EQ(told.texts.at(1), id);
  EXPECT_EQ(told.inside(3).texts.at(2), cpf_1);
  EXPECT_EQ(told.numbers.at(4), 1u);
  EXPECT_EQ(told.texts.at(5), bank_a);
  EXPECT_EQ(told.texts.at(6), bank_b);
  EXPECT_TRUE(told.texts.contains(7) && told.texts.contains(8));
  EXPECT_EQ(told.numbers.at(10), 7u);

  const Read outgoing = send("ListOutgoingClaims", Wire().number(1, 1).number(2, 5));
  EXPECT_EQ(outgoing.inside(1).texts.at(1), id);
  EXPECT_EQ(outgoing.inside(1).numbers.at(4), 1u);
  EXPECT_EQ(outgoing.inside(1).numbers.at(7), 7u);
  EXPECT_EQ(outgoing.numbers.at(3), 1u);

  as(token({directory::Role::operator_}, bank_b));
  EXPECT_EQ(send("ListIncomingClaims", Wire()).inside(1).texts.at(1), id);
  const Read responded = send("RespondToClaim", Wire().text(1, id).number(2, 2).text(3, "no"));
  EXPECT_EQ(responded.texts.at(1), id);
  EXPECT_EQ(responded.numbers.at(2), 4u);
  EXPECT_TRUE(responded.texts.contains(3) && responded.texts.contains(4));
}

TEST_F(GrpcWire, v1s_cancel_and_portability_calls_have_their_numbers) {
  make_key(common::KEY_TYPE_CPF, cpf_1, cpf_1, bank_b);
  const Read started = send("StartClaim", Wire().message(1, key(1, cpf_1)).text(2, make_account(cpf_1, "777")));
  // Both sides are served here: only then the role is needed, which v1 does not know.
  const Read gone = send("CancelClaim", Wire().text(1, started.texts.at(1)).text(2, "no longer wanted").number(100, 2));
  EXPECT_EQ(gone.texts.at(1), started.texts.at(1));
  EXPECT_EQ(gone.numbers.at(2), 4u);
  EXPECT_TRUE(gone.texts.contains(3));

  const std::string id = make_key(common::KEY_TYPE_CPF, cpf_2, cpf_2);
  const std::string account = make_account(cpf_2, "888");
  const Read portability = send("StartPortability", Wire().text(1, id).text(2, account));
  EXPECT_EQ(portability.texts.at(2), id);
  EXPECT_EQ(portability.inside(3).texts.at(3), "888");
  EXPECT_TRUE(portability.texts.contains(4) && portability.texts.contains(5));
  const Read confirmed = send("ConfirmPortability", Wire().text(1, portability.texts.at(1)));
  EXPECT_EQ(confirmed.texts.at(1), portability.texts.at(1));
  EXPECT_EQ(confirmed.texts.at(2), id);
  EXPECT_EQ(confirmed.numbers.at(3), 2u);
  EXPECT_TRUE(confirmed.texts.contains(4));
  const Read back = send("StartPortability", Wire().text(1, id).text(2, make_account(cpf_2, "1234567")));
  const Read undone = send("CancelPortability", Wire().text(1, back.texts.at(1)).text(2, "no"));
  EXPECT_EQ(undone.texts.at(1), back.texts.at(1));
  EXPECT_TRUE(undone.texts.contains(2));
}

TEST_F(GrpcWire, v1s_health_check_has_its_numbers_and_unknown_fields_are_skipped) {
  const Read told = send("HealthCheck", Wire().number(77, 5).text(78, "from a newer client"));
  EXPECT_EQ(told.numbers.at(1), 1u);
  EXPECT_EQ(told.numbers.at(2), 1u);
  EXPECT_TRUE(told.texts.contains(3));
}

}  // namespace
}  // namespace chaveiro
