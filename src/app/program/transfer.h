// app/program/transfer.h
//
// `chaveiro import` and `chaveiro export`: files of entries to and from a running server, with a progress bar while standard error is a
// terminal.
//
// An import can be resumed: every confirmed line is noted in FILE.progress (a line number and the identity of the file), and --resume
// goes on after it. Running the whole file again is harmless too. Faulty lines are printed with their number and fields, also to
// --faults FILE, and the rest goes on; the exit code is 0 only when no line was faulty.
//
// Threads: one, and one that sends while answers are read.
#pragma once

#include <string>

#include "app/program/client.h"

namespace chaveiro::app {

struct ImportCommand {
  std::string file;    // "-": standard input
  std::string format;  // "", "ndjson" or "csv"; "": by the name of the file
  std::string faults_file;
  bool resume = false;
};
int run_import(Client& client, const ImportCommand& command, const Output& output);

struct ExportCommand {
  std::string file;  // "-" or "": standard output
  std::string format;
};
int run_export(Client& client, const ExportCommand& command, const Output& output);

}  // namespace chaveiro::app
