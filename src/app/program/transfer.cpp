#include "app/program/transfer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "app/program/print.h"

namespace chaveiro::app {
namespace {

namespace admin = dict::admin::v1;

constexpr std::size_t piece_bytes = 256 * 1024;

// One line on standard error, drawn again at most ten times a second; nothing where that is no terminal.
class Progress {
 public:
  Progress(std::string what, std::uint64_t bytes_all)
      : what_(std::move(what)), bytes_all_(bytes_all), on_(::isatty(STDERR_FILENO) == 1) {}
  ~Progress() {
    if (drawn_) std::fputs("\n", stderr);
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::uint64_t lines, std::uint64_t bytes, bool last = false) {
    const auto now = std::chrono::steady_clock::now();
    if (!on_ || (!last && now - shown_at_ < std::chrono::milliseconds{100})) return;
    shown_at_ = now;
    drawn_ = true;
    const double seconds = std::chrono::duration<double>(now - began_).count();
    const double rate = seconds > 0 ? static_cast<double>(lines) / seconds : 0;
    if (bytes_all_ > 0) {
      const double part = std::min(1.0, static_cast<double>(bytes) / static_cast<double>(bytes_all_));
      const auto filled = static_cast<std::size_t>(part * 30);
      std::fprintf(stderr, "\r%s [%s%s] %3.0f %%  %llu lines  %.0f/s   ", what_.c_str(),
                   std::string(filled, '#').c_str(), std::string(30 - filled, '.').c_str(), part * 100,
                   static_cast<unsigned long long>(lines), rate);
    } else {
      std::fprintf(stderr, "\r%s %llu lines  %.0f/s   ", what_.c_str(), static_cast<unsigned long long>(lines), rate);
    }
    std::fflush(stderr);
  }

 private:
  std::string what_;
  std::uint64_t bytes_all_;
  bool on_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point shown_at_{};
};

Result<admin::FileFormat> format_of(const std::string& format, const std::string& file) {
  const std::string name = format.empty() ? (file.ends_with(".csv") ? "csv" : "ndjson") : format;
  if (name == "csv") return admin::FILE_FORMAT_CSV;
  if (name == "ndjson" || name == "json") return admin::FILE_FORMAT_NDJSON;
  return fail_field("--format", "must be ndjson or csv");
}

// Which file the notes belong to: size and time of the last change.
std::string identity_of(const std::string& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) return "";
  return std::to_string(status.st_size) + " " + std::to_string(status.st_mtim.tv_sec) + "." +
         std::to_string(status.st_mtim.tv_nsec);
}

std::string notes_of(const std::string& file) { return file + ".progress"; }

// The line after which to go on; 0: from the start.
std::uint64_t line_noted(const std::string& file) {
  std::ifstream in(notes_of(file));
  std::uint64_t line = 0;
  std::string identity;
  if (!(in >> line) || !std::getline(in >> std::ws, identity) || identity != identity_of(file)) return 0;
  return line;
}

void note_line(const std::string& file, std::uint64_t line) {
  std::ofstream(notes_of(file) + "~") << line << "\n" << identity_of(file) << "\n";
  std::error_code ignored;
  std::filesystem::rename(notes_of(file) + "~", notes_of(file), ignored);
}

struct Totals {
  std::uint64_t lines = 0, imported = 0, repeated = 0, faults = 0;
};

// Sends the file in pieces; lines that an earlier run has confirmed are left empty, so that numbers stay those of the file.
class Sender {
 public:
  Sender(std::istream& in, admin::FileFormat format, std::uint64_t skip) : in_(in), format_(format), skip_(skip) {}

  template <class Stream>
  void run(Stream& stream, std::uint64_t& bytes_sent) {
    admin::ImportRequest request;
    request.set_format(format_);
    std::string& piece = *request.mutable_piece();
    std::uint64_t number = 0;
    for (std::string line; std::getline(in_, line);) {
      ++number;
      const bool header = format_ == admin::FILE_FORMAT_CSV && number == 1;
      if (number > skip_ || header) piece += line;
      piece += '\n';
      bytes_sent += line.size() + 1;
      if (piece.size() < piece_bytes) continue;
      if (!stream.Write(request)) return;
      piece.clear();
    }
    if (!piece.empty() || number == 0) stream.Write(request);
    stream.WritesDone();
  }

 private:
  std::istream& in_;
  admin::FileFormat format_;
  std::uint64_t skip_;
};

void print_fault(const admin::ImportProgress::LineFault& fault, std::ostream* file) {
  const std::string text = "line " + std::to_string(fault.line()) + ": " +
                           (fault.field().empty() ? "" : fault.field() + ": ") + fault.message();
  std::fprintf(stderr, "\r\033[K%s\n", text.c_str());
  if (file != nullptr) *file << text << "\n";
}

int print_totals(const Totals& totals, const Output& output) {
  const char* format = output.json ? "{\"lines\":%llu,\"imported\":%llu,\"already_there\":%llu,\"faulty\":%llu}\n"
                                   : "%llu lines: %llu imported, %llu there already, %llu faulty\n";
  std::printf(format, static_cast<unsigned long long>(totals.lines), static_cast<unsigned long long>(totals.imported),
              static_cast<unsigned long long>(totals.repeated), static_cast<unsigned long long>(totals.faults));
  return totals.faults == 0 ? 0 : api::status_row(Code::invalid).exit;
}

}  // namespace

int run_import(Client& client, const ImportCommand& command, const Output& output) {
  const Result<admin::FileFormat> format = format_of(command.format, command.file);
  if (!format) return Client::failed(format.error(), output);
  const bool from_input = command.file == "-";
  std::ifstream file;
  if (!from_input) {
    file.open(command.file, std::ios::binary);
    if (!file) return Client::failed(fail(Code::invalid, "BadRequest", "cannot read " + command.file), output);
  }
  std::ofstream faults_file;
  if (!command.faults_file.empty()) faults_file.open(command.faults_file);
  std::error_code ignored;
  const std::uint64_t bytes_all = from_input ? 0 : std::filesystem::file_size(command.file, ignored);
  const std::uint64_t skip = command.resume && !from_input ? line_noted(command.file) : 0;

  grpc::ClientContext context;
  client.prepare(context, Micros{0});
  const auto stream = client.admin().Import(&context);
  std::uint64_t bytes_sent = 0;
  std::thread sending([&] {
    Sender(from_input ? std::cin : static_cast<std::istream&>(file), *format, skip).run(*stream, bytes_sent);
  });

  Progress progress("import", bytes_all);
  Totals totals;
  bool finished = false;
  admin::ImportProgress answer;
  std::uint64_t bytes_seen = 0;
  while (stream->Read(&answer)) {
    totals.lines = answer.lines();
    totals.imported = answer.imported();
    totals.repeated = answer.repeated_lines();
    totals.faults = answer.faulty();
    for (const auto& fault : answer.faults()) print_fault(fault, faults_file.is_open() ? &faults_file : nullptr);
    if (!from_input && answer.committed_line() > 0) note_line(command.file, answer.committed_line());
    finished = answer.finished();
    bytes_seen = answer.bytes();
    progress.show(totals.lines, bytes_seen, finished);
  }
  sending.join();
  const grpc::Status status = stream->Finish();
  if (!status.ok()) {
    if (!from_input) std::fprintf(stderr, "\nstopped; go on with: chaveiro import %s --resume\n", command.file.c_str());
    return Client::failed(status, output);
  }
  if (finished && !from_input) std::filesystem::remove(notes_of(command.file), ignored);
  return print_totals(totals, output);
}

int run_export(Client& client, const ExportCommand& command, const Output& output) {
  const Result<admin::FileFormat> format = format_of(command.format, command.file);
  if (!format) return Client::failed(format.error(), output);
  const bool to_output = command.file.empty() || command.file == "-";
  std::FILE* out = to_output ? stdout : std::fopen(command.file.c_str(), "wx");
  if (out == nullptr) {
    return Client::failed(fail(Code::invalid, "BadRequest",
                               "cannot write " + command.file + " (a file that exists is never overwritten)"),
                          output);
  }
  if (!to_output) ::fchmod(::fileno(out), 0600);  // it holds personal data
  admin::ExportRequest request;
  request.set_format(*format);
  grpc::ClientContext context;
  client.prepare(context, Micros{0});
  const auto stream = client.admin().Export(&context, request);
  Progress progress("export", 0);
  admin::ExportPiece piece;
  std::uint64_t lines = 0;
  bool written = true;
  while (written && stream->Read(&piece)) {
    written = std::fwrite(piece.piece().data(), 1, piece.piece().size(), out) == piece.piece().size();
    lines = piece.lines();
    if (!to_output) progress.show(lines, 0);
  }
  if (!written) context.TryCancel();
  const grpc::Status status = stream->Finish();
  written = (to_output ? std::fflush(out) : std::fclose(out)) == 0 && written;
  if (!written) return Client::failed(fail(Code::unavailable, "DiskFull", "cannot write " + command.file), output);
  if (!status.ok()) return Client::failed(status, output);
  if (!to_output)
    std::printf(output.json ? "{\"lines\":%llu}\n" : "%llu lines\n", static_cast<unsigned long long>(lines));
  return 0;
}

}  // namespace chaveiro::app
