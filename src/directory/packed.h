// directory/packed.h
//
// Entries, accounts and claims as bytes, for this process's own memory only: no version, no checksum, the machine's byte order. An entry takes
// 136 bytes and its texts, where the object takes 472 and theirs. What travels or outlives the process is record_text.h.
//
// Threads: pure functions.
// Time:    O(length), some tens of nanoseconds; unpacking over an object uses its memory again.
#pragma once

#include <string>
#include <string_view>

#include "directory/claim.h"

namespace chaveiro::directory {

// Appends.
void pack(const Entry& entry, std::string& out);
void pack(const Account& account, std::string& out);
void pack(const Claim& claim, std::string& out);

// False: these are no bytes that pack() wrote for such a record; `out` is then of no meaning.
bool unpack(std::string_view bytes, Entry& out);
bool unpack(std::string_view bytes, Account& out);
bool unpack(std::string_view bytes, Claim& out);

// Something to unpack over, and nothing else: its key is no key.
Entry blank_entry();
Claim blank_claim();

}  // namespace chaveiro::directory
