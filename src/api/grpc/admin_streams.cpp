#include "api/grpc/admin_streams.h"

namespace chaveiro::api::grpc {
namespace {

std::optional<ImportFormat> format_of(admin::FileFormat format) {
  if (format == admin::FILE_FORMAT_NDJSON) return ImportFormat::ndjson;
  if (format == admin::FILE_FORMAT_CSV) return ImportFormat::csv;
  return std::nullopt;
}

Error format_missing() { return fail_field("format", "must be FILE_FORMAT_NDJSON or FILE_FORMAT_CSV"); }

}  // namespace

ImportStream::ImportStream(const Services& services, ::grpc::CallbackServerContext& context)
    : services_(services), flight_(services, context, {"Import", Access::token, stream_limit}) {
  if (!flight_.call().admitted())
    end(flight_.call().admitted());
  else
    StartRead(&request_);
}

void ImportStream::OnReadDone(bool ok) { on_pool(ok ? Piece::next : Piece::last); }

void ImportStream::OnWriteDone(bool ok) {
  if (!ok) return end(fail(Code::cancelled, "", "the caller gave up"));
  if (progress_.finished()) return end({});
  StartRead(&request_);
}

void ImportStream::on_pool(Piece piece) {
  const auto job = [this, piece](Turn turn) {
    Result<void> outcome = turned(turn);
    if (!outcome) return end(outcome);
    const auto progress = take(piece);
    if (!progress) return end(progress.error());
    progress_.Clear();
    progress_.set_lines(progress->lines);
    progress_.set_imported(progress->imported);
    progress_.set_repeated_lines(progress->repeated);
    progress_.set_faulty(progress->faulty);
    progress_.set_committed_line(progress->committed_line);
    progress_.set_bytes(progress->bytes);
    for (const ImportLineFault& fault : progress->faults) {
      auto& row = *progress_.add_faults();
      row.set_line(fault.line);
      row.set_field(fault.field);
      row.set_message(fault.message);
    }
    progress_.set_finished(piece == Piece::last);
    StartWrite(&progress_);
  };
  const CorrelationScope scope(flight_.call().request_id());
  if (auto taken = services_.pool.submit(flight_.call().context().deadline, Job(job)); !taken) end(taken);
}

Result<ImportProgress> ImportStream::take(Piece piece) {
  if (!run_) {
    const auto format = piece == Piece::next ? format_of(request_.format()) : std::nullopt;
    if (!format) return format_missing();
    TRY(run_, services_.admin->import(flight_.call().context(), *format));
  }
  return piece == Piece::next ? run_->feed(request_.piece()) : run_->finish();
}

ExportStream::ExportStream(const Services& services, ::grpc::CallbackServerContext& context,
                           const admin::ExportRequest& request)
    : services_(services), flight_(services, context, {"Export", Access::token, stream_limit}) {
  const auto format = format_of(request.format());
  if (!flight_.call().admitted()) {
    Finish(flight_.end(flight_.call().admitted()));
    return;
  }
  if (!format) {
    Finish(flight_.end(format_missing()));
    return;
  }
  format_ = *format;
  const auto job = [this](Turn turn) {
    Result<void> outcome = turned(turn);
    if (outcome) outcome = run();
    Finish(flight_.end(outcome));
  };
  const CorrelationScope scope(flight_.call().request_id());
  if (auto taken = services_.pool.submit(flight_.call().context().deadline, Job(job)); !taken)
    Finish(flight_.end(taken));
}

Result<void> ExportStream::run() {
  TRY_VOID(services_.admin->export_entries(flight_.call().context(), format_,
                                           [this](std::string_view line) { return add_line(line); }));
  if (flush() && flush()) return {};  // the second waits until the last piece was taken
  if (flight_.call().context().deadline.expired())
    return fail(Code::deadline, "DeadlineExceeded", "the client reads too slowly");
  return fail(Code::cancelled, "", "the caller gave up");
}

bool ExportStream::add_line(std::string_view line) {
  lines_ += line;
  if (!line.ends_with('\n')) lines_ += '\n';
  ++count_;
  return lines_.size() < piece_bytes || flush();
}

// Waits until the last piece was taken, then sends what there is. False: nobody reads any more.
bool ExportStream::flush() {
  {
    auto wire = wire_.lock();
    if (!wire.wait(flight_.call().context().deadline, [](const Wire& it) { return it != Wire::writing; })) return false;
    if (*wire == Wire::gone) return false;
    if (lines_.empty()) return true;
    *wire = Wire::writing;
  }
  piece_.set_piece(std::move(lines_));
  piece_.set_lines(count_);
  lines_.clear();
  StartWrite(&piece_);
  return true;
}

void ExportStream::OnWriteDone(bool ok) {
  wire_.with([&](Wire& wire) {
    if (wire != Wire::gone) wire = ok ? Wire::idle : Wire::gone;
  });
  wire_.notify_all();
}

void ExportStream::OnCancel() {
  *wire_.lock() = Wire::gone;
  wire_.notify_all();
}

}  // namespace chaveiro::api::grpc
