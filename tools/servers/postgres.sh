#!/usr/bin/env bash
# One PostgreSQL on port 15432 with the three roles of docs/postgres.md and an empty database `chaveiro`. Its files lie in a folder
# under /tmp that the unprivileged user may enter (the server refuses to run as root); .cache/servers/postgres says which.
set -euo pipefail
port=15432
folder=$PWD/.cache/servers/postgres
url=postgres://chaveiro_runtime@127.0.0.1:$port/chaveiro
maintenance=postgres://chaveiro_maintenance@127.0.0.1:$port/chaveiro

say() { printf '%s\n' "$*" >&2; }
die() { printf './dev: %s\n' "$*" >&2; exit 1; }

programs() {
  local bin
  for bin in /usr/lib/postgresql/*/bin; do if [[ -x $bin/initdb ]]; then echo "$bin"; return; fi; done
  dirname "$(command -v initdb || die "there is no PostgreSQL server on this machine: ./dev setup test")"
}

# server COMMAND…: as the user that owns the files.
server() {
  if ((EUID == 0)); then (cd / && setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"); else (cd / && "$@"); fi
}

home() { if [[ -r $folder/home ]]; then cat "$folder/home"; fi; }
is_up() { local at; at=$(home); [[ -n $at ]] && server "$bin/pg_ctl" -D "$at/data" status >/dev/null 2>&1; }

up() {
  local at
  at=$(mktemp -d /tmp/chaveiro-postgres.XXXXXX)
  mkdir -p "$at/run" "$folder"
  if ((EUID == 0)); then chown -R nobody "$at"; fi
  echo "$at" >"$folder/home"
  server "$bin/initdb" -D "$at/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$folder/initdb.log" 2>&1 ||
    die "initdb failed: $folder/initdb.log"
  server "$bin/pg_ctl" -D "$at/data" -w -l "$at/log" -o "-c listen_addresses=127.0.0.1 -p $port -k $at/run -c max_connections=200" \
    start >/dev/null || die "the server did not start: $at/log"
  psql -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p $port -U postgres -f tools/servers/postgres.sql >/dev/null
}

down() {
  local at
  at=$(home)
  [[ -n $at ]] || return 0
  if is_up; then server "$bin/pg_ctl" -D "$at/data" -m fast -w stop >/dev/null; fi
  if [[ $at == /tmp/chaveiro-postgres.* ]]; then rm -rf "$at"; fi
  rm -rf "$folder"
}

case ${1:-} in
  up)
    tools/setup.sh test
    bin=$(programs)
    if is_up; then say "postgres is up already"; else down; up; fi
    say "DATABASE_URL=$url"
    say "DATABASE_MAINTENANCE_URL=$maintenance"
    printf '%s\n' "$url" ;;
  down) if [[ -r $folder/home ]]; then bin=$(programs); down; fi ;;
  *) die "up or down" ;;
esac
