#!/usr/bin/env bash
# backup.sh FILE: everything of the database in one file, while the platform runs, as the role of DATABASE_MAINTENANCE_URL.
#
# What the cache's third level holds is left out. The file holds personal data: keep it encrypted, and apart from installation.key, without
# which the audit's sealed texts cannot be read.
set -euo pipefail
url=${DATABASE_MAINTENANCE_URL:?name the role that owns the tables}
file=${1:?usage: backup.sh FILE}
[[ ! -e $file ]] || { echo "backup.sh: $file is there already" >&2; exit 1; }
umask 077
pg_dump --format=custom --no-unlogged-table-data --lock-wait-timeout=30s --file="$file.part" "$url"
pg_restore --list "$file.part" >/dev/null # it can be read
mv "$file.part" "$file"
sha256sum "$file" >"$file.sha256"
