#!/usr/bin/env bash
# Runs the tests of the runtime under valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v valgrind >/dev/null; then
    echo "skipped: valgrind is not installed (tests/install.sh installs it)"
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi

binary=$(cargo test --test it --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*\/it-[^"]*\)".*/\1/p' | tail -n 1)
# All of the runtime's tests but those of sockets and processes, where there is no unsafe code.
# Recursion over small stacks and descriptors that run out are no business of valgrind's; traces of
# panics would take it minutes.
RUST_BACKTRACE=0 valgrind --quiet --error-exitcode=9 --leak-check=no --fair-sched=try \
    "$binary" --test-threads=1 --skip stack --skip descriptors \
    --skip web:: --skip https:: --skip http2:: --skip websocket:: --skip probe:: --skip client:: \
    --skip net:: --skip process:: --skip allocations:: --skip showcase::
echo "valgrind found no errors"
