# A PostgreSQL server on the disk at /data, of the newest version that is installed, or of the one
# that made the data. The app is its user `app`, who owns the database `app`, with the password from
# $PASSWORD. The superuser postgres is for this container alone: nobody else gets in as it.
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
  printf '%s\n' 'host all postgres all reject' 'host all all all scram-sha-256' \
    >> "$data.new/pg_hba.conf"
  "$bin/postgres" --single -D "$data.new" postgres > /dev/null <<SQL
CREATE ROLE app LOGIN PASSWORD '$PASSWORD';
CREATE DATABASE app OWNER app;
REVOKE ALL ON DATABASE app FROM PUBLIC;
SQL
  mv "$data.new" "$data"
  sync
fi
unset PASSWORD
# With a certificate that it made itself, for clients that ask for a secure connection.
tls=off
if [ ! -s "$data/server.crt" ] && command -v openssl > /dev/null; then
  printf '[req]\ndistinguished_name=dn\n[dn]\n' > /tmp/openssl.cnf
  openssl req -config /tmp/openssl.cnf -x509 -newkey rsa:2048 -nodes -days 3650 \
    -subj '/CN=heroku-postgresql' -keyout "$data/server.key" -out "$data/server.crt.new" 2> /dev/null
  mv "$data/server.crt.new" "$data/server.crt"
fi
[ ! -s "$data/server.crt" ] || tls=on
# Left by a server that was killed; nobody else has this disk.
rm -f "$data/postmaster.pid"
"$bin/postgres" -D "$data" -c listen_addresses="$ADDRESS" -c port="$PORT" \
  -c unix_socket_directories=/tmp -c logging_collector=off -c ssl="$tls" &
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
