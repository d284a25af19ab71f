# Writes a base backup of the PostgreSQL server: an archive of its data with the log that makes it
# consistent. Everybody goes on writing.
set -eu
bin=/usr/lib/postgresql/$(cat /data/db/PG_VERSION)/bin
export PGHOST=/tmp PGPORT="$PORT" PGUSER=postgres PGPASSWORD="$PASSWORD"
made=/tmp/backup.$$
trap 'rm -f "$made"' EXIT
# The slot keeps the server's log until the end of the backup, and goes with the session that made
# it, however that ends.
"$bin/psql" -X -q -v ON_ERROR_STOP=1 -d postgres -o /dev/null \
  -c "SELECT pg_create_physical_replication_slot('causeway_backup_$$', true, true)" \
  -c "\\! $bin/pg_basebackup -D - -Ft -X fetch -c fast --no-password && : > $made"
[ -e "$made" ]
