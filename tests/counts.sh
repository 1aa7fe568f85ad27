#!/usr/bin/env bash
# Compares the instructions of the hot paths with benches/counts.txt; --update writes it anew.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo bench --bench counts --locked --quiet -- "$@"
