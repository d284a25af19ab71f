# shellcheck shell=bash
set -euo pipefail
# The program's own package is compiled for size, but the bare server in the example stands for what is
# possible.
cargo run --quiet --locked --release --config 'profile.release.package.causeway.opt-level=3' \
  --package causeway --example load -- api
