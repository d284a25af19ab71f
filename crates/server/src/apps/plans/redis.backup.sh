# Writes a snapshot that the Redis server makes of itself in a process of its own. Everybody goes on
# writing.
set -eu
umask 077
snapshot=/data/.backup.$$.rdb
trap 'rm -f "$snapshot"' EXIT
rm -f /data/.backup.*.rdb
export REDISCLI_AUTH="$PASSWORD"
redis-cli -h "$ADDRESS" -p "$PORT" --rdb "$snapshot" >&2
redis-check-rdb "$snapshot" > /dev/null || { echo 'the snapshot is damaged' >&2; exit 1; }
cat "$snapshot"
