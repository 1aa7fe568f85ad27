#!/usr/bin/env bash
# Runs every example: those that end to their end, the servers until they have answered.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --profile checks --examples --bins --locked --quiet
bin="${CARGO_TARGET_DIR:-target}/checks"

for name in fetch download parallel_list parallel_map interleaving cursor_loop minute_loop minute_loop2 \
    timers wait_iterator callbacks yieldable; do
    echo "--- $name"
    timeout 60 "$bin/examples/$name"
done

# prints NAME: runs an example, and wants what its first lines say it prints.
prints() {
    echo "--- $1"
    diff <(sed -n '/^\/\/! ```text/,/^\/\/! ```$/{/```/!s|^//! \?||p}' "examples/$1.rs") \
        <(timeout 60 "$bin/examples/$1") || { echo "$1 prints something else" >&2; exit 1; }
}

prints locks

echo "--- spider, with few descriptors"
(
    ulimit -n 1000
    timeout 60 "$bin/examples/spider"
)

# What runs, ended with this script however that ends.
server=
behind=
end() {
    for process in "$server" "$behind"; do
        [ -z "$process" ] || kill "$process" 2>/dev/null || true
    done
}
trap end EXIT

# probe NAME URL TEXT -- COMMAND: starts a server, asks it, and wants the text in its answer.
probe() {
    local name=$1 url=$2 text=$3
    shift 4
    echo "--- $name"
    "$@" >/dev/null 2>&1 &
    server=$!
    for _ in $(seq 100); do
        answer=$(curl -s --max-time 5 "$url" || true)
        [[ $answer == *"$text"* ]] && break
        sleep 0.1
    done
    [[ $answer == *"$text"* ]] || { echo "$name did not answer: $answer" >&2; exit 1; }
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
}

probe hello http://127.0.0.1:8888/ "Hello, world" -- "$bin/examples/hello"
probe bench_server http://127.0.0.1:18231/fanout 45 -- "$bin/examples/bench_server" 18231
probe probe http://127.0.0.1:18235/fanmap elapsed_ms -- "$bin/examples/probe" --port 18235
"$bin/examples/probe" --port 18236 >/dev/null 2>&1 &
behind=$!
probe reverse_proxy http://127.0.0.1:18237/hello "Hello, world" -- \
    "$bin/examples/reverse_proxy" 18237 http://127.0.0.1:18236
kill "$behind"
wait "$behind" || { behind=; echo "the probe did not end well" >&2; exit 1; }
behind=
probe showcase http://127.0.0.1:18232/ Squall -- "$bin/showcase" --port 18232
probe websocket_chat http://127.0.0.1:18235/ "Squall chat" -- "$bin/examples/websocket_chat" 18235

echo "--- echo_tcp"
"$bin/examples/echo_tcp" 18233 >/dev/null 2>&1 &
server=$!
for _ in $(seq 100); do
    if exec 3<>/dev/tcp/127.0.0.1/18233; then break; fi 2>/dev/null
    sleep 0.1
done
printf 'over and out\n' >&3
read -r -t 5 line <&3
[[ $line == *"over and out"* ]] || { echo "echo_tcp did not echo: $line" >&2; exit 1; }
exec 3>&-
kill "$server"
wait "$server" 2>/dev/null || true
server=
echo "--- chat_tcp"
"$bin/examples/chat_tcp" 18234 >/dev/null 2>&1 &
server=$!
for _ in $(seq 100); do
    if exec 3<>/dev/tcp/127.0.0.1/18234; then break; fi 2>/dev/null
    sleep 0.1
done
# wants TEXT: the next line of the first guest holds it.
wants() {
    read -r -t 5 line <&3
    [[ $line == *"$1"* ]] || { echo "chat_tcp did not say $1: $line" >&2; exit 1; }
}
printf 'ann\n' >&3
read -r -t 5 -n 13 line <&3
exec 4<>/dev/tcp/127.0.0.1/18234
printf 'bob\nhello all\n' >&4
wants "bob has come"
wants "bob: hello all"
exec 4>&-
wants "bob has gone"
exec 3>&-
kill "$server"
wait "$server" 2>/dev/null || true
server=
echo "--- traceback"
tests/traceback.sh
echo "every example ran"
