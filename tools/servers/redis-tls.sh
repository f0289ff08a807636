#!/usr/bin/env bash
# One Redis that speaks TLS only, on port 7400, with an authority of its own; clients may show a certificate and need not.
name=redis-tls port=7400
. tools/servers/redis.bash
url="rediss://127.0.0.1:$port/0  (authority: $folder/ca.crt, client: $folder/client.crt $folder/client.key)"

# certificate NAME EXTENSION
certificate() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/$1.key" -out "$folder/$1.csr" -subj "/CN=$1" 2>/dev/null
  openssl x509 -req -in "$folder/$1.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -CAcreateserial -days 30 -out "$folder/$1.crt" \
    -extfile <(echo "$2") 2>/dev/null
}

up() {
  mkdir -p "$folder"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout "$folder/ca.key" -out "$folder/ca.crt" \
    -subj /CN=chaveiro-development 2>/dev/null
  certificate server "subjectAltName=IP:127.0.0.1,DNS:localhost"
  certificate client "extendedKeyUsage=clientAuth"
  start redis --port 0 --tls-port $port --tls-cert-file "$folder/server.crt" --tls-key-file "$folder/server.key" \
    --tls-ca-cert-file "$folder/ca.crt" --tls-auth-clients optional --save '' --appendonly no
  answers $port --tls --cacert "$folder/ca.crt"
}

main "$@"
