#!/usr/bin/env bash
# A master with two replicas (ports 7413 to 7415) and three sentinels (7410 to 7412) that watch it as "mymaster".
name=sentinel url=redis+sentinel://127.0.0.1:7410,127.0.0.1:7411,127.0.0.1:7412/mymaster/0
. tools/servers/redis.bash

up() {
  local port
  start master --port 7413 --save '' --appendonly no
  answers 7413
  for port in 7414 7415; do
    start "replica-$port" --port $port --save '' --appendonly no --replicaof 127.0.0.1 7413
    answers $port
  done
  for port in 7410 7411 7412; do
    mkdir -p "$folder/sentinel-$port"
    cat >"$folder/sentinel-$port/sentinel.conf" <<CONF
port $port
sentinel monitor mymaster 127.0.0.1 7413 2
sentinel down-after-milliseconds mymaster 1000
sentinel failover-timeout mymaster 5000
CONF
    start "sentinel-$port" sentinel.conf --sentinel
    answers $port
  done
  for port in 7410 7411 7412; do
    until redis-cli -p $port sentinel ckquorum mymaster 2>/dev/null | grep -q '^OK 3'; do sleep 0.1; done
  done
}

main "$@"
