# A PostgreSQL server on the disk at /data, of the newest version that is installed, or of the one
# that made the data. Its superuser is postgres, with the password from $PASSWORD.
set -eu
umask 077
data=/data/db
if [ -s "$data/PG_VERSION" ]; then
  bin=/usr/lib/postgresql/$(cat "$data/PG_VERSION")/bin
else
  bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  # A start that was cut short is begun anew: only what is whole gets its name.
  rm -rf "$data.new"
  printf '%s' "$PASSWORD" > /tmp/password
  "$bin/initdb" --pgdata="$data.new" --username=postgres --pwfile=/tmp/password \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 > /dev/null
  rm -f /tmp/password
  echo 'host all all all scram-sha-256' >> "$data.new/pg_hba.conf"
  mv "$data.new" "$data"
  sync
fi
unset PASSWORD
# Left by a server that was killed; nobody else has this disk.
rm -f "$data/postmaster.pid"
"$bin/postgres" -D "$data" -c listen_addresses="$ADDRESS" -c port="$PORT" \
  -c unix_socket_directories=/tmp -c logging_collector=off &
server=$!
# To PostgreSQL, SIGTERM means to wait until every client has gone; SIGINT ends it cleanly at once.
trap 'kill -INT "$server" 2> /dev/null' TERM INT
status=0
wait "$server" || status=$?
while kill -0 "$server" 2> /dev/null; do
  status=0
  wait "$server" || status=$?
done
exit "$status"
