# shellcheck shell=bash
# Sourced by the scripts beside it: where things are, and how they speak.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
tools=$root/.tools
cd "$root"

# The pinned clients come before whatever else the machine has.
export PATH="$tools/bin:$tools/cargo/bin:$PATH"
# The clients speak to the server under test and to nothing else.
export DISABLE_TELEMETRY=true
export HEROKU_DISABLE_AUTOUPDATE=true
export HEROKU_SKIP_NEW_VERSION_CHECK=true
export AWS_EC2_METADATA_DISABLED=true
export AWS_PAGER=

say() { printf '==> %s\n' "$*"; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

usage_error() {
  printf '%s: %s\nTry: %s --help\n' "$(basename "$0")" "$1" "$0" >&2
  exit 2
}

# Runs one named step, and says how long it took or that it failed.
step() {
  local name=$1 start status=0
  shift
  say "$name"
  start=$SECONDS
  "$@" || status=$?
  if ((status != 0)); then
    printf 'FAILED: %s (%d s): %s\n' "$name" $((SECONDS - start)) "$*" >&2
    exit "$status"
  fi
  printf '    %s: %d s\n' "$name" $((SECONDS - start))
}

need_root() {
  [[ $(id -u) == 0 ]] || die "$1 needs root (it makes network namespaces). Run it again with: sudo -E env \"PATH=\$PATH\" $0"
}

# Shows a command's output only if it fails.
quietly() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  ((status == 0)) || { cat "$log" >&2; printf '%s: failed: %s\n' "$(basename "$0")" "$*" >&2; }
  rm -f "$log"
  return "$status"
}

# The tests that scripts/check runs. Those of integration make real networks or run real clients, and are
# scripts/test's.
# shellcheck disable=SC2034 # It is for the scripts that source this.
fast_tests='kind(lib) or kind(bin)'

# Runs tests, and fails if one below a directory wrote a snapshot that is new, or none used one that is
# kept: with_snapshots 'crates/*/src' cargo nextest run …
with_snapshots() {
  local below=$1 used status=0 left
  shift
  used=$(mktemp)
  INSTA_SNAPSHOT_REFERENCES_FILE=$used "$@" || status=$?
  if ((status == 0)); then
    # shellcheck disable=SC2086 # It is a pattern.
    left=$(comm -13 <(sort -u "$used") <(find $below -name '*.snap' -printf "$root/%p\n" | sort))
    [[ -z $left ]] || { printf 'No test uses these snapshots: delete them.\n%s\n' "$left" >&2; status=1; }
  fi
  rm -f "$used"
  return "$status"
}

# Programs for arm64 that are made on another processor: Rust's name of it, and what the names of
# Debian's tools for it begin with.
# shellcheck disable=SC2034 # They are for the scripts that source this.
arm64_target=aarch64-unknown-linux-gnu arm64_tools=aarch64-linux-gnu

# A program as it is to be installed, into a directory: without symbols, and with its symbols beside it.
dist() {
  local program=$1 into=$2 objcopy=$3
  mkdir -p "$into"
  (
    cd "$into"
    # Written aside first: the program may be running, and what is there is whole at any moment.
    "$objcopy" --only-keep-debug "$program" causeway.debug
    "$objcopy" --strip-all --add-gnu-debuglink=causeway.debug "$program" causeway.new
    mv causeway.new causeway
  )
}
