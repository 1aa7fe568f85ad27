#!/usr/bin/env bash
# Runs the tests of coroutines, collections and the loop under valgrind: all unsafe code is there.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v valgrind >/dev/null; then
    echo "skipped: valgrind is not installed (tests/install.sh installs it)"
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi

binary=$(cargo test --test it --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*\/it-[^"]*\)".*/\1/p' | tail -n 1)
# Recursion over small stacks and descriptors that run out are no business of valgrind's.
valgrind --quiet --error-exitcode=9 --leak-check=no --fair-sched=try \
    "$binary" --test-threads=1 --skip stack --skip descriptors \
    g:: c::future:: q:: traceback:: watchdog:: grace:: net::listening::bad_words
echo "valgrind found no errors"
