#!/usr/bin/env bash
# restore.sh FILE: a backup into an empty database (DATABASE_MAINTENANCE_URL), then a look whether it is whole. The roles must be there
# already (tools/servers/postgres.sql). Afterwards: chaveiro audit verify --anchor FILE, with the anchors that were kept elsewhere.
set -euo pipefail
url=${DATABASE_MAINTENANCE_URL:?name the role that owns the tables}
file=${1:?usage: restore.sh FILE}
if [[ -e $file.sha256 ]]; then (cd "$(dirname "$file")" && sha256sum --check --quiet "$(basename "$file").sha256"); fi
if [[ $(psql -XAtq "$url" -c "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')") != 0 ]]; then
  echo "restore.sh: the database is not empty" >&2
  exit 1
fi
pg_restore --exit-on-error --single-transaction --dbname="$url" "$file"
PGOPTIONS='-c client_min_messages=error' psql -XAtq "$url" -c ANALYZE
"${CHAVEIRO_PROGRAM:-chaveiro}" db verify
