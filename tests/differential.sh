#!/usr/bin/env bash
# Asks Squall's server and hyper's the same, and fails if they differ otherwise than is listed.
set -euo pipefail
cd "$(dirname "$0")/differential"

cargo fmt --all --check
cargo clippy --all-targets --locked --quiet -- -D warnings
cargo test --locked --quiet -- --nocapture
