# A Kafka broker, tansu, that keeps everything in one SQLite file on the disk at /data. The plan's
# environment may name another program ($TANSU) and another store ($STORAGE_ENGINE): a database of
# PostgreSQL, a bucket of S3, or memory://tansu/, which forgets.
set -eu
umask 077
cd /data
exec "${TANSU:-tansu}" broker --cluster-id causeway --listener-url "tcp://$ADDRESS:$PORT" \
  --advertised-listener-url "tcp://$ADDRESS:$PORT" \
  --storage-engine "${STORAGE_ENGINE:-sqlite://kafka.db}"
