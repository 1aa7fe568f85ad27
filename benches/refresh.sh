#!/usr/bin/env bash
# Measures Squall beside all its peers, and writes the tables into docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/.."

measured=$(mktemp)
trap 'rm -f "$measured"' EXIT
{
    echo "Measured on $(date +%F), $(nproc) cores, $(rustc --version | cut -d' ' -f1,2), Squall at $(git rev-parse --short HEAD)."
    for bench in table memory; do
        echo
        cargo bench --manifest-path benches/peers/Cargo.toml --locked --quiet --bench "$bench" -- "$@"
    done
} | tee "$measured"

paper=docs/benchmarks.md
awk -v measured="$measured" '
    /<!-- to here -->/ { inside = 0 }
    !inside { print }
    /<!-- from here: benches\/refresh.sh -->/ {
        inside = 1
        print ""
        while ((getline line < measured) > 0) print line
        print ""
    }
' "$paper" >"$measured.paper"
cat "$measured.paper" >"$paper"
rm "$measured.paper"
