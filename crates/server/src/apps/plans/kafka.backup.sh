# Writes a copy of the broker's SQLite file, consistent by itself; nothing where the broker keeps its
# data elsewhere. Everybody goes on writing.
set -eu
cd /data
[ -e kafka.db ] || exit 0
copy=/tmp/backup.$$
trap 'rm -f "$copy"' EXIT
sqlite3 -bail kafka.db ".timeout 60000" "VACUUM INTO '$copy'"
cat "$copy"
