#!/usr/bin/env bash
# A cluster of three masters with a replica each, on ports 7421 to 7426.
name=cluster url=redis+cluster://127.0.0.1:7421,127.0.0.1:7422,127.0.0.1:7423
. tools/servers/redis.bash

up() {
  local port nodes=()
  for port in {7421..7426}; do
    start "node-$port" --port $port --cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout 1500 --save '' --appendonly no
    nodes+=("127.0.0.1:$port")
  done
  for port in {7421..7426}; do answers $port; done
  redis-cli --cluster create "${nodes[@]}" --cluster-replicas 1 --cluster-yes >"$folder/create.log" 2>&1 || die "see $folder/create.log"
  for port in {7421..7426}; do
    until redis-cli -p $port cluster info | grep -q '^cluster_state:ok'; do sleep 0.1; done
  done
}

main "$@"
