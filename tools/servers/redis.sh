#!/usr/bin/env bash
# One Redis on port 7399.
name=redis port=7399 url=redis://127.0.0.1:7399/0
. tools/servers/redis.bash

up() {
  start redis --port $port --save '' --appendonly no
  answers $port
}

main "$@"
