#!/usr/bin/env bash
# Installs what some tests need beside cargo, on Debian, as root: curl, chromium, git, valgrind,
# redis, nginx, node, python with some HTTP clients, ab, wrk, nghttp2's
# programs, openssl, a compiler of C++ for libFuzzer.
# Under target/peers: packages of node's and Python's.
# Tests that do not find it say that they are skipped, and why.
set -euo pipefail

missing=()
command -v curl >/dev/null || missing+=(curl)
command -v git >/dev/null || missing+=(git)
command -v chromium >/dev/null || missing+=(chromium)
command -v valgrind >/dev/null || missing+=(valgrind)
command -v redis-server >/dev/null || missing+=(redis-server)
# Without its service: the tests start it themselves.
command -v nginx >/dev/null || missing+=(nginx-light)
command -v node >/dev/null || missing+=(nodejs)
command -v python3 >/dev/null || missing+=(python3)
python3 -c "import ensurepip, venv" 2>/dev/null || missing+=(python3-venv)
command -v ab >/dev/null || missing+=(apache2-utils)
command -v wrk >/dev/null || missing+=(wrk)
command -v h2load >/dev/null || missing+=(nghttp2-client)
command -v nghttpd >/dev/null || missing+=(nghttp2-server)
command -v openssl >/dev/null || missing+=(openssl)
command -v c++ >/dev/null || missing+=(g++)
if ((${#missing[@]})); then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# Python's clients, in a place of their own: tests/it/web/clients.rs looks for them there.
venv="${CARGO_TARGET_DIR:-target}/clients-venv"
clients=(aiohttp==3.14.5 h2==4.4.1 httpx==0.28.1 requests==2.34.2)
if [[ "$("$venv/bin/pip" freeze 2>/dev/null | grep -cxFf <(printf '%s\n' "${clients[@]}"))" != "${#clients[@]}" ]]; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${clients[@]}"
fi

# WebSocket's peers, each in a folder of its own.
cd "$(dirname "$0")/.."
mkdir -p target/peers/node
# A folder with this is nobody's sources.
echo 'Signature: 8a477f597d28d172789f06886806bc55' >target/peers/CACHEDIR.TAG
if [ ! -x target/peers/venv/bin/python ]; then
    python3 -m venv target/peers/venv || {
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv
        python3 -m venv target/peers/venv
    }
fi
target/peers/venv/bin/python -c 'import websockets' 2>/dev/null ||
    target/peers/venv/bin/pip install -q 'websockets>=13'
if [ ! -d target/peers/node/node_modules/ws ]; then
    if ! command -v npm >/dev/null; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm
    fi
    npm install --silent --no-audit --no-fund --prefix target/peers/node 'ws@8'
fi
