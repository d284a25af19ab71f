# Unpacks a base backup of a PostgreSQL server, which makes it consistent when it starts.
set -eu
umask 077
mkdir /data/db.new
tar -x -f - -C /data/db.new
bin=/usr/lib/postgresql/$(cat /data/db.new/PG_VERSION)/bin
if [ ! -x "$bin/postgres" ]; then
  echo "the backup is of PostgreSQL $(cat /data/db.new/PG_VERSION), which this machine does not" \
    "have: apt-get install postgresql-$(cat /data/db.new/PG_VERSION)" >&2
  exit 1
fi
mv /data/db.new /data/db
