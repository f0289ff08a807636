// app/sync_responses.h
//
// VSYNCResponse on rsfn-dict-res-in: whether the entries of one of our participants and key types are the registry's. The answer is stored
// with the mark of its event (vsync/sync_answers.h) and shown as metrics.
//
// Threads: any.
// Errors:  invalid (a field of the event; a comparison later than an hour from now), forbidden (a participant that is not served here), those of the store.
#pragma once

#include <vector>

#include "base/metrics.h"
#include "events/handlers.h"
#include "vsync/sync_answers.h"

namespace chaveiro::app {

events::Handler sync_response_handler(vsync::SyncAnswers& answers, std::vector<directory::Ispb> served);

// vsync_in_sync{participant,key_type} and vsync_verified_timestamp_seconds, of the last answers.
Result<void> tell_sync_answers(vsync::SyncAnswers& answers, Registry& metrics, Deadline deadline);

}  // namespace chaveiro::app
