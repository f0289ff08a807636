// directory/lookup_window.h
//
// A part of a file that the disk has promised, mapped into memory and shared with the kernel: what is copied there lies in the page cache at
// once, as after a write, without the call.
//
// Only where nothing can take the promise back: a page of the mapping that could not get its place on the disk would end the process. That
// holds on ext4 and tmpfs; elsewhere (copy on write, networks) there is no window, and whoever wants to write calls write.
//
// Threads: one at a time.
// Time:    open() two system calls; write() a copy, and a page fault for each new page.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/file.h"

namespace chaveiro::directory {

class LookupWindow {
 public:
  LookupWindow() = default;
  LookupWindow(LookupWindow&& other) noexcept;
  LookupWindow& operator=(LookupWindow&& other) noexcept;
  ~LookupWindow() { close(); }

  static bool can_map(const File& file);
  // The file's bytes from `from` up to `to`, which it must have and whose place on the disk must be taken. Where it cannot be
  // mapped the window is closed, and holds nothing.
  void open(const File& file, std::uint64_t from, std::uint64_t to);
  void close();

  bool holds(std::uint64_t from, std::uint64_t to) const { return from >= begin_ && to <= end_; }
  // Its first four bytes come last, so that nobody who reads meanwhile finds the length of what is not yet there.
  void write(std::uint64_t at, std::string_view bytes);

 private:
  char* map_ = nullptr;
  std::uint64_t mapped_from_ = 0, mapped_ = 0;  // whole pages
  std::uint64_t begin_ = 0, end_ = 0;
};

}  // namespace chaveiro::directory
