#!/usr/bin/env bash
# Compares what `examples/traceback.rs` prints with `tests/golden/example_traceback.txt`: as it is
# built for release, and stripped of every symbol. `SQUALL_GOLDEN=overwrite` writes the file instead.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --example traceback --locked --quiet
built="${CARGO_TARGET_DIR:-target}/release/examples/traceback"
golden=tests/golden/example_traceback.txt
if [[ ${SQUALL_GOLDEN:-} == overwrite ]]; then
    "$built" 2>/dev/null >"$golden"
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
strip --strip-all -o "$folder/stripped" "$built"
for program in "$built" "$folder/stripped"; do
    if ! "$program" 2>/dev/null | diff --unified "$golden" -; then
        echo "$program prints another traceback than $golden has" >&2
        echo "If it should, SQUALL_GOLDEN=overwrite tests/traceback.sh writes the file." >&2
        exit 1
    fi
done
echo "tracebacks are the same in a release build, stripped and not"
