#!/usr/bin/env bash
# One Apache Pulsar broker (standalone, the real one) on port 16650, its administration on 18080. The distribution comes from Maven's
# repository, once, into .cache/pulsar; what it stores lies in .cache/servers/pulsar and goes with `down`.
#
# For tests PULSAR_FOLDER names another folder. The ports are then free ones, which the file `url` in it tells (plain, administration,
# TLS), and who one is matters: without a token or certificate one is `anonymous`, who like `admin` may do everything; others may do
# nothing. Beside it lie ca.pem, server.pem, client.pem (of `admin`) with their keys, secret.key of the tokens, and a token of `admin`;
# stranger.pem is of somebody else.
set -euo pipefail
version=4.0.8
sum=65b769b10696cdfebf7fc5bcdc95dd663702e27051e616c1a13cb100e91279525be35352171befe7b0011176330aab29bd0a6c8a0f2f0646641af46d2e33cbd6
home=$PWD/.cache/pulsar/$version
folder=${PULSAR_FOLDER:-$PWD/.cache/servers/pulsar}

# Ports that nobody has now, held until all are known; below those that the kernel gives to outgoing connections (from 32768 on), since a
# broker that is killed wants its ports again.
free_ports() {
  python3 -c 'import random, socket
held = []
while len(held) < 4:
    try:
        held.append(socket.create_server(("127.0.0.1", random.randrange(10_000, 32_000))))
    except OSError:
        pass
print(*(one.getsockname()[1] for one in held))'
}

say() { printf '%s\n' "$*" >&2; }
die() { printf './dev: %s\n' "$*" >&2; exit 1; }

java_home() {
  local at
  for at in /usr/lib/jvm/java-17-openjdk-* /usr/lib/jvm/default-java; do if [[ -x $at/bin/java ]]; then echo "$at"; return; fi; done
  die "the broker needs Java 17: apt-get install openjdk-17-jre-headless"
}

# Its client for Python, for those who want to see what others see.
fetch_python() {
  local at=$PWD/.cache/pulsar/python
  [[ ! -d $at ]] || return 0
  rm -rf "$at.part"
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary :all: \
    --require-hashes --target "$at.part" -r tools/servers/pulsar-python.txt || die "Pulsar's client for Python could not be fetched"
  mv "$at.part" "$at"
}

fetch() {
  [[ ! -x $home/bin/pulsar ]] || return 0
  command -v curl >/dev/null || die "the broker is fetched by curl: apt-get install curl"
  say "the Pulsar distribution comes from Maven's repository (234 MiB, once)"
  local name=pulsar-server-distribution
  rm -rf "$home" "$home.part"
  mkdir -p "$home.part"
  curl -fsSL --retry 5 --retry-all-errors --connect-timeout 20 --max-time 900 -o "$home.part/all.tar.gz" \
    "https://repo.maven.apache.org/maven2/org/apache/pulsar/$name/$version/$name-$version-bin.tar.gz" || die "the Pulsar distribution could not be fetched"
  sha512sum --check --quiet <<<"$sum  $home.part/all.tar.gz" || die "the Pulsar distribution that came is not the one that was wanted"
  tar xzf "$home.part/all.tar.gz" -C "$home.part" --strip-components=1
  rm "$home.part/all.tar.gz"
  mv "$home.part" "$home"
}

# An authority, and a certificate of NAME signed by it.
certificate() {
  local name=$1 common_name=$2 names=$3
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/$name.key" -out "$folder/$name.csr" -subj "/CN=$common_name" 2>/dev/null
  openssl x509 -req -in "$folder/$name.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -CAcreateserial -days 30 -out "$folder/$name.pem" \
    -extfile <(printf 'subjectAltName=%s\n' "$names") 2>/dev/null
}
identities() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/ca.key" -out "$folder/ca.pem" -days 30 -subj /CN=tests 2>/dev/null
  certificate server localhost DNS:localhost,IP:127.0.0.1
  certificate client admin DNS:admin
  certificate stranger stranger DNS:stranger
  head -c 32 /dev/urandom >"$folder/secret.key"
  python3 - "$folder" <<'PYTHON'
import base64, hashlib, hmac, sys
folder = sys.argv[1]
text = lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=")
said = text(b'{"alg":"HS256"}') + b"." + text(b'{"sub":"admin"}')
sign = hmac.new(open(folder + "/secret.key", "rb").read(), said, hashlib.sha256).digest()
open(folder + "/token", "wb").write(said + b"." + text(sign))
PYTHON
}
identity_settings() {
  echo brokerServicePortTls="$tls" tlsEnabled=true tlsCertificateFilePath="$folder/server.pem" tlsKeyFilePath="$folder/server.key" \
    tlsTrustCertsFilePath="$folder/ca.pem" authenticationEnabled=true authorizationEnabled=true anonymousUserRole=anonymous \
    superUserRoles=admin,anonymous tokenSecretKey="file://$folder/secret.key" authenticationRefreshCheckSeconds=1 backlogQuotaCheckIntervalInSeconds=1 \
    authenticationProviders=org.apache.pulsar.broker.authentication.AuthenticationProviderToken,org.apache.pulsar.broker.authentication.AuthenticationProviderTls
}

# The file is read twice, and a key that stands twice becomes a list: each is replaced, never appended.
configure() {
  cp "$home/conf/standalone.conf" "$folder/standalone.conf"
  local pair
  for pair in bindAddress=127.0.0.1 advertisedAddress=127.0.0.1 brokerServicePort=$port webServicePort=$web numIOThreads=2 \
    numHttpServerThreads=8 managedLedgerCacheSizeMB=64 dbStorage_writeCacheMaxSizeMb=32 dbStorage_readAheadCacheMaxSizeMb=32 \
    dbStorage_rocksDB_blockCacheSize=16777216 bookkeeperNumberOfChannelsPerBookie=2 journalSyncData=false diskUsageThreshold=0.99 \
    diskUsageWarnThreshold=0.98 brokerDeleteInactiveTopicsEnabled=false acknowledgmentAtBatchIndexLevelEnabled=true "$@"; do
    grep -q "^${pair%%=*}=" "$folder/standalone.conf" || { printf '\n%s\n' "$pair" >>"$folder/standalone.conf"; continue; }
    sed -i "s|^${pair%%=*}=.*|$pair|" "$folder/standalone.conf"
  done
}

choose_ports() {
  if [[ -n ${PULSAR_FOLDER:-} ]]; then read -r port web bookkeeper tls <<<"$(free_ports)"; else port=16650 web=18080 bookkeeper=13181; fi
}
is_up() { [[ -r $folder/pid ]] && kill -0 "$(cat "$folder/pid")" 2>/dev/null; }
answers() { curl -fsS "$(sed -n 2p "$folder/url")/admin/v2/brokers/health" >/dev/null 2>&1; }

# Tenants and namespaces are not made on demand.
namespaces() {
  local tenant web
  web=$(sed -n 2p "$folder/url")
  for tenant in dict/events lb-conn/dict core-dict/dlq; do
    curl -fsS -X PUT -H 'content-type: application/json' -d '{"allowedClusters":["standalone"]}' "$web/admin/v2/tenants/${tenant%/*}" || true
    curl -fsS -X PUT "$web/admin/v2/namespaces/$tenant" || true
  done
}

up() {
  mkdir -p "$folder"
  choose_ports
  if [[ -n ${PULSAR_FOLDER:-} ]]; then
    identities
    # shellcheck disable=SC2046
    configure $(identity_settings)
    printf 'pulsar://127.0.0.1:%s\nhttp://127.0.0.1:%s\npulsar+ssl://127.0.0.1:%s\n' "$port" "$web" "$tls" >"$folder/url"
  else
    configure
    printf 'pulsar://127.0.0.1:%s\nhttp://127.0.0.1:%s\n' "$port" "$web" >"$folder/url"
  fi
  echo "$bookkeeper" >"$folder/bookkeeper.port"
  start
}

# Also once more, on the data and ports of a broker that ended.
start() {
  export JAVA_HOME PULSAR_MEM="-Xms256m -Xmx640m -XX:MaxDirectMemorySize=1g" PULSAR_GC="-XX:+UseG1GC" \
    PULSAR_GC_LOG="-Xlog:disable -Xlog:all=warning:stderr" PULSAR_LOG_DIR=$folder/logs PULSAR_LOG_LEVEL=warn \
    PULSAR_STANDALONE_CONF=$folder/standalone.conf
  JAVA_HOME=$(java_home)
  # It outlives whoever starts it, so it takes none of their files along: locks would stay held.
  setsid "$home/bin/pulsar" standalone -nfw -nss -a 127.0.0.1 --metadata-dir "$folder/meta" --bookkeeper-dir "$folder/bookkeeper" \
    --bookkeeper-port "$(cat "$folder/bookkeeper.port")" >>"$folder/log" 2>&1 </dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
  echo $! >"$folder/pid"
  local tries
  for tries in {1..120}; do
    if answers; then namespaces; return; fi
    is_up || die "the broker ended: $folder/log"
    sleep 1
  done
  die "the broker does not answer: $folder/log"
}

down() {
  if is_up; then
    kill -- "-$(cat "$folder/pid")" 2>/dev/null || true
    local tries
    for tries in {1..100}; do is_up || break; sleep 0.1; done
    if is_up; then kill -9 -- "-$(cat "$folder/pid")"; fi
  fi
  rm -rf "$folder"
}

case ${1:-} in
  up)
    fetch
    if is_up && answers; then say "pulsar is up already"; else down; up; fi
    say "PULSAR_URL=$(sed -n 1p "$folder/url") PULSAR_ADMIN_URL=$(sed -n 2p "$folder/url")"
    sed -n 1p "$folder/url" ;;
  fetch) fetch; fetch_python ;;
  down) down ;;
  # As a machine that fails: nothing is said good-bye to, and then it is there again.
  kill) kill -9 -- "-$(cat "$folder/pid")" ;;
  start) start ;;
  *) die "up, down, fetch, kill or start" ;;
esac
