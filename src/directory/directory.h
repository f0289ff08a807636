// directory/directory.h
//
// The directory as the edges see it: one handle on each group of operations. Nothing is decided here.
//
// Threads: as the parts say: any number at once.
#pragma once

#include "directory/accounts.h"
#include "directory/claims.h"
#include "directory/entries.h"
#include "directory/lookups.h"

namespace chaveiro::directory {

struct Directory {
  Accounts& accounts;
  Entries& entries;
  Claims& claims;
  Lookups& lookups;
  Store& store;  // for audit lists and statistics; behind authorise()
};

}  // namespace chaveiro::directory
