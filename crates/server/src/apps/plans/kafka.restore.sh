# Puts a copy of the broker's SQLite file back; an empty one was none.
set -eu
umask 077
cd /data
cat > kafka.db.new
if [ -s kafka.db.new ]; then mv kafka.db.new kafka.db; else rm kafka.db.new; fi
