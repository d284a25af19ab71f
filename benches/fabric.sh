# shellcheck shell=bash
set -euo pipefail
cargo run --quiet --locked --release --package causeway --example load -- fabric
cargo run --quiet --locked --release --package causeway-fabric --example cost
