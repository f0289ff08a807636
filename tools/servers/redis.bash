# What the Redis servers of `./dev up` share. Everything of one lies under .cache/servers/NAME: settings, logs, and for each process
# a file with its id, by which alone it is stopped.
#
# REDIS_PROGRAM=valkey-server starts Valkey in its place (./dev setup valkey).
set -euo pipefail
program=${REDIS_PROGRAM:-redis-server}
folder=$PWD/.cache/servers/$name

say() { printf '%s\n' "$*" >&2; }
die() { printf './dev: %s\n' "$*" >&2; exit 1; }

# running PID: is it the process that we started, and not another that got its number?
running() { [[ -r /proc/$1/cwd && $(readlink "/proc/$1/cwd" 2>/dev/null) == "$folder"/* ]]; }

# is_up: any of ours.
is_up() {
  local file
  for file in "$folder"/*.pid; do if [[ -e $file ]] && running "$(<"$file")"; then return 0; fi; done
  return 1
}

# start WHO ARGUMENTS…: a server in a folder of its own.
start() {
  local who=$1
  shift
  mkdir -p "$folder/$who"
  (cd "$folder/$who" && exec "$program" "$@" --bind 127.0.0.1 --logfile "$folder/$who.log" >/dev/null 2>&1 </dev/null) &
  echo $! >"$folder/$who.pid"
  disown
}

# answers PORT [redis-cli OPTIONS…]: waits until the server there says PONG.
answers() {
  local port=$1 tries
  shift
  for ((tries = 0; tries < 100; ++tries)); do
    if [[ $(redis-cli -p "$port" "$@" ping 2>/dev/null) == PONG ]]; then return 0; fi
    sleep 0.1
  done
  down
  die "the server on port $port did not answer; its log is in $folder"
}

down() {
  local file pid tries
  for file in "$folder"/*.pid; do
    [[ -e $file ]] || continue
    pid=$(<"$file")
    if running "$pid"; then
      kill -CONT "$pid" 2>/dev/null || true
      kill "$pid" 2>/dev/null || true
      for ((tries = 0; tries < 50; ++tries)); do if running "$pid"; then sleep 0.1; else break; fi; done
      if running "$pid"; then kill -KILL "$pid" 2>/dev/null || true; fi
    fi
    rm -f "$file"
  done
  rm -rf "$folder"
}

# main URL: what the script was called for; `up` is the script's own function, which starts and waits.
main() {
  case ${1:-} in
    up)
      if is_up; then say "$name is up already"; else
        tools/setup.sh test
        if [[ $program == valkey-server ]]; then tools/setup.sh valkey; fi
        command -v "$program" >/dev/null || die "no $program on PATH"
        rm -rf "$folder"
        up
      fi
      printf '%s\n' "$url" ;;
    down) down ;;
    *) die "up or down" ;;
  esac
}
