// api/grpc/admin_streams.h
//
// Import and export as streams. Both do their work on the pool, one piece at a time: an import reads the next piece only
// when the last one was stored, an export makes the next lines only when the client took the last ones.
//
// Threads: gRPC calls the On… functions one after another; between them a job on the pool may hold the stream. Each deletes
// itself in OnDone.
#pragma once

#include <dict/admin/v1/admin.grpc.pb.h>

#include "api/grpc/flight.h"
#include "base/guarded.h"

namespace chaveiro::api::grpc {

namespace admin = ::dict::admin::v1;

inline constexpr Micros stream_limit = std::chrono::hours{6};

class ImportStream final : public ::grpc::ServerBidiReactor<admin::ImportRequest, admin::ImportProgress> {
 public:
  ImportStream(const Services& services, ::grpc::CallbackServerContext& context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  enum class Piece : std::uint8_t { next, last };
  void on_pool(Piece piece);
  Result<ImportProgress> take(Piece piece);
  void end(const Result<void>& outcome) { Finish(flight_.end(outcome)); }

  const Services& services_;
  Flight flight_;
  admin::ImportRequest request_;
  admin::ImportProgress progress_;
  std::unique_ptr<ImportRun> run_;
};

class ExportStream final : public ::grpc::ServerWriteReactor<admin::ExportPiece> {
 public:
  ExportStream(const Services& services, ::grpc::CallbackServerContext& context, const admin::ExportRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  enum class Wire : std::uint8_t { idle, writing, gone };
  Result<void> run();
  bool add_line(std::string_view line);
  bool flush();

  static constexpr std::size_t piece_bytes = 64 * 1024;

  const Services& services_;
  Flight flight_;
  ImportFormat format_ = ImportFormat::ndjson;
  admin::ExportPiece piece_;
  std::string lines_;
  std::uint64_t count_ = 0;
  Guarded<Wire> wire_{Wire::idle};
};

}  // namespace chaveiro::api::grpc
