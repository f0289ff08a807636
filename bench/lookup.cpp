// What a look-up costs beside the barest gRPC service that answers the same message.
//
// Server on core 0, this load generator on core 1. Ours and the echo take turns, seven rounds or more, half a second each. Keys are
// drawn by Zipf over those imported; every answer is checked: HTTP status, `grpc-status`, and that it carries the key asked for.
//
//   lookup [--keys N] [--rounds N] [--seconds S] [--program FILE] [--folder DIR]
//   lookup --million                 imports a million generated keys; states import, start, latency, memory, file size
//   lookup --echo-server callback|sync
#include <cstdio>

int main() {
  std::fprintf(stderr, "lookup: not measured yet\n");
  return 1;
}
