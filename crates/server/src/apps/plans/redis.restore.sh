# Puts a snapshot where the Redis server looks for its log of changes, which may begin with one. A
# server that keeps such a log reads no other file.
set -eu
umask 077
cat > /data/appendonly.aof
