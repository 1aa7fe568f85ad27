#!/usr/bin/env bash
# Fuzzes the web layer: `tests/fuzz.sh [seconds [target...]]`, so long for each target.
#
# First the properties on the corpus, by the stable compiler; then each target, by a nightly one with
# libFuzzer and the address sanitizer. What is found new lies in fuzz/found, what breaks a property in
# fuzz/artifacts. `tests/fuzz.sh minimise` takes into the corpus what fuzz/found has and it lacks.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds="${1:-6}"
targets=("${@:2}")
if ((${#targets[@]} == 0)); then
    for file in fuzz_targets/*.rs; do
        targets+=("$(basename "$file" .rs)")
    done
fi

if ! cargo +nightly --version >/dev/null 2>&1; then
    rustup toolchain install nightly --profile minimal --no-self-update
fi
if ! command -v cargo-fuzz >/dev/null; then
    cargo install cargo-fuzz --version 0.13.2 --locked --quiet
fi

if [ "$seconds" = minimise ]; then
    for target in "${targets[@]}"; do
        mkdir -p "found/$target" "corpus/$target"
        small="$(mktemp -d)"
        cp -n "corpus/$target"/* "found/$target"/* "$small"/ 2>/dev/null || true
        # What reaches code that nothing else reaches; how often it does would be thousands of files.
        cargo +nightly fuzz cmin "$target" "$small" -- -max_len=2048 -use_counters=0
        rm -rf "corpus/$target"
        mkdir "corpus/$target"
        cp "$small"/* "corpus/$target/"
        rm -rf "$small"
        echo "$target: $(find "corpus/$target" -type f | wc -l) files"
    done
    du -sb corpus
    exit 0
fi

echo "--- the properties, on the corpus, by the stable compiler"
cargo fmt --all --check
cargo clippy -p squall-properties --all-targets --locked --quiet -- -D warnings
cargo test -p squall-properties --locked --quiet

echo "--- the targets, by $(rustc +nightly --version)"
cargo +nightly fuzz build
cargo metadata --locked --format-version 1 >/dev/null

for target in "${targets[@]}"; do
    echo "--- $target, for $seconds s"
    mkdir -p "found/$target"
    log="$(mktemp)"
    if ! cargo +nightly fuzz run "$target" "found/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -dict=http.dict \
        -print_final_stats=1 >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "$target: a property does not hold; the input is in fuzz/artifacts/$target:"
        ls -l "artifacts/$target"
        echo "to see it again: cd fuzz && cargo +nightly fuzz run $target artifacts/$target/<file>"
        exit 1
    fi
    grep -E '^Done|number_of_executed_units|new_units_added|peak_rss_mb' "$log"
    rm -f "$log"
done
