# A Redis server that keeps every change on the disk at /data, and wants the password from
# $PASSWORD. On SIGTERM it writes down what it has, and ends.
set -eu
umask 077
printf 'requirepass %s\n' "$PASSWORD" > /tmp/redis.conf
unset PASSWORD
exec redis-server /tmp/redis.conf --bind "$ADDRESS" --port "$PORT" --dir /data --daemonize no \
  --appendonly yes --appendfsync everysec --protected-mode yes --repl-diskless-sync-delay 0
