# shellcheck shell=bash
set -euo pipefail
cargo run --quiet --locked --release --package causeway-store --example durable
cargo run --quiet --locked --release --package causeway --example load -- cluster
