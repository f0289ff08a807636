// net/server_metrics.h
//
// What an HTTP server tells its observer, as metrics, under the name of the listener:
//
//   http_connections_open{listener}              now
//   http_connections_total{listener}             accepted
//   http_connections_dropped_total{listener,why} why we closed one: connections (too many), handshake, idle,
//                                                header_timeout, body_timeout (slow senders), write_timeout (slow readers)
//   http_answers_total{listener,status}          by class, 2xx to 5xx; none: the peer went away before
//   http_received_bytes_total, http_sent_bytes_total{listener}   of bodies that came, of answers
//
// Threads: the observer, any.
#pragma once

#include <string>

#include "base/metrics.h"
#include "net/server.h"

namespace chaveiro::net {

// `metrics` must outlive the server that it is given to.
ServerObserver counted(Registry& metrics, const std::string& listener);

}  // namespace chaveiro::net
