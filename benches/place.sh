# shellcheck shell=bash
set -euo pipefail
cargo bench --quiet --locked --package causeway-model --bench place
