#!/usr/bin/env bash
# setup.sh GROUP…: installs what a group of commands needs and the machine lacks; prints nothing when nothing is missing.
#
# Debian 12 is known; elsewhere it names what it would have installed and goes on when compiler and libraries are found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build_packages=(
  g++ cmake ninja-build ccache mold git python3
  libssl-dev libboost1.81-dev libboost-json1.81-dev libboost-url1.81-dev
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libsqlite3-dev libpq-dev libyaml-cpp-dev libspdlog-dev libcli11-dev liblz4-dev libzstd-dev libmimalloc-dev
  libgtest-dev libgmock-dev libbenchmark-dev libtbb-dev libnghttp2-dev
)
java=openjdk-17-jre-headless
# redis-tools holds the server's program too, without the service that redis-server would start on the usual port.
test_packages=(openssl sqlite3 curl redis-tools postgresql pgbouncer python3-pip $java)
check_packages=(git python3 clang-format-19)
clang_packages=(clang-19 clang-tidy-19 libclang-rt-19-dev)

# One header for each library, to look for where packages have other names.
build_headers=(openssl/evp.h boost/json.hpp boost/url.hpp boost/beast.hpp grpcpp/grpcpp.h google/protobuf/message.h
  sqlite3.h postgresql/libpq-fe.h yaml-cpp/yaml.h spdlog/spdlog.h CLI/CLI.hpp lz4.h zstd.h gtest/gtest.h gmock/gmock.h benchmark/benchmark.h
  tbb/concurrent_hash_map.h nghttp2/nghttp2.h)
build_programs=(g++ cmake ninja git python3 protoc grpc_cpp_plugin)
test_programs=(openssl curl redis-cli valkey-server psql pgbouncer promtool)
check_programs=(git python3 clang-format-19)
clang_programs=(clang++-19 clang-tidy-19)

log=.cache/setup.log

usage() {
  cat <<HELP
./dev setup [GROUP…]
  Installs what is missing by apt-get, as root or through sudo (Debian 12); does nothing when all is there.
  build  compiler and libraries: ${build_packages[*]}
  test   programs that tests call: ${test_packages[*]}; promtool, unpacked under .cache without its service;
         Valkey 8 from the suite's backports, the Apache Pulsar broker from Maven's repository, both under .cache
  check  ${check_packages[*]}
  clang  second compiler, clang-tidy, fuzzers: ${clang_packages[*]}
  valkey only that Valkey, a second server for the Redis tests
  all    build, test, check and clang (default)
On any other system it says what it wanted, and goes on if compiler and libraries are found.
HELP
}

fail() {
  printf './dev setup: %s\n' "$1" >&2
  exit 1
}

is_debian_12() { [[ -r /etc/os-release ]] && (. /etc/os-release && [[ $ID == debian && ${VERSION_ID:-} == 12 ]]); }

# Those of the packages given that are not installed, one a line. dpkg-query fails on a package that it never heard of,
# which on a new machine is most of them.
missing_packages() {
  local installed
  installed=$({ dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true; } | sed -n 's/ installed$//p')
  comm -13 <(sort -u <<<"$installed") <(printf '%s\n' "$@" | sort -u)
  if [[ " $* " == *" $java "* && $'\n'$installed$'\n' == *$'\n'$java$'\n'* ]] &&
    dpkg --compare-versions "$(dpkg-query -W -f='${Version}' $java)" lt 17.0.17; then
    echo $java  # the broker does not start on an older one; to install it again is to renew it
  fi
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif ! command -v sudo >/dev/null; then
    fail "needs root to install: ${missing[*]}. Run it as root once, or install sudo."
  elif [[ -t 0 ]]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -y -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >>$log 2>&1 || {
    tail -n 25 $log >&2
    fail "apt-get $1 failed (whole log: $log). Wanted: ${missing[*]}"
  }
}

install_debian() {
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  mkdir -p .cache
  : >$log
  printf 'installing %s\n' "${missing[*]}" >&2
  apt update
  apt install --no-install-recommends "${missing[@]}"
}

# promtool comes with a service that would take port 9090, so that only the program is unpacked.
unpack_promtool() {
  if command -v promtool >/dev/null || [[ -x .cache/tools/bin/promtool ]]; then return 0; fi
  local into=.cache/tools/prometheus
  missing=(prometheus)
  mkdir -p $into .cache/tools/bin
  (cd $into && apt-get -q download prometheus) >>$log 2>&1 || { apt update && (cd $into && apt-get -q download prometheus) >>$log 2>&1; } ||
    fail "promtool (package prometheus) could not be fetched (whole log: $log)"
  dpkg-deb -x $into/prometheus_*.deb $into
  mv $into/usr/bin/promtool .cache/tools/bin/
  rm -rf $into
}

# redis-server is the same program as redis-check-rdb, which looks at the name that it is called by.
link_redis() {
  if command -v redis-server >/dev/null || [[ -e .cache/tools/bin/redis-server ]]; then return 0; fi
  mkdir -p .cache/tools/bin
  ln -s "$(command -v redis-check-rdb)" .cache/tools/bin/redis-server
}

# The machine's own list of package sources stays as it is.
unpack_valkey() {
  if command -v valkey-server >/dev/null || [[ -x .cache/tools/bin/valkey-server ]]; then return 0; fi
  local into=$PWD/.cache/tools/valkey
  mkdir -p "$into"/apt/{lists/partial,cache/archives/partial} .cache/tools/bin
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm-backports main" \
    >"$into/apt/backports.list"
  local options=(-q -o "Dir::Etc::SourceList=$into/apt/backports.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$into/apt/lists" -o "Dir::Cache=$into/apt/cache")
  (cd "$into" && apt-get "${options[@]}" update && apt-get "${options[@]}" download valkey-tools &&
    dpkg-deb -x valkey-tools_*.deb .) >>$log 2>&1 || fail "Valkey could not be fetched (whole log: $log)"
  mv "$into/usr/bin/valkey-check-rdb" .cache/tools/bin/valkey-server
  rm -rf "$into"
}

# On a system whose packages we do not know: is everything there all the same?
look_around() {
  local lacking=() name
  for name in "${programs[@]}"; do command -v "$name" >/dev/null || lacking+=("$name"); done
  if ((${#headers[@]})) && command -v g++ >/dev/null; then
    for name in "${headers[@]}"; do
      printf '#include <%s>\n' "$name" | g++ -std=c++20 -E -x c++ - >/dev/null 2>&1 || lacking+=("<$name>")
    done
  fi
  ((${#lacking[@]})) || return 0
  printf 'This is not Debian 12, whose packages would be:\n  %s\n' "${packages[*]}" >&2
  fail "not found here: ${lacking[*]}. Install what holds them, then try again."
}

packages=() programs=() headers=() missing=() wants_promtool=no wants_pulsar=no wants_valkey=no
if (($# == 0)) || [[ " $* " == *" all "* ]]; then set -- build test check clang; fi
for group; do
  case $group in
    -h | --help) usage; exit ;;
    build) packages+=("${build_packages[@]}") programs+=("${build_programs[@]}") headers+=("${build_headers[@]}") ;;
    test) packages+=("${test_packages[@]}") programs+=("${test_programs[@]}") wants_promtool=yes wants_pulsar=yes wants_valkey=yes ;;
    check) packages+=("${check_packages[@]}") programs+=("${check_programs[@]}") ;;
    valkey) packages+=(redis-tools) wants_valkey=yes ;;
    clang) packages+=("${clang_packages[@]}") programs+=("${clang_programs[@]}") ;;
    *) fail "unknown group '$group': build, test, check, clang, valkey, all" ;;
  esac
done

if is_debian_12; then
  install_debian "${packages[@]}"
  if [[ $wants_promtool == yes ]]; then unpack_promtool && link_redis; fi
  if [[ $wants_pulsar == yes ]]; then tools/servers/pulsar.sh fetch; fi
  if [[ $wants_valkey == yes ]]; then unpack_valkey; fi
else
  look_around
fi
