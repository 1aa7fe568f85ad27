#!/usr/bin/env bash
# Installs what some tests need beside cargo, on Debian, as root: curl, chromium, git, valgrind,
# redis, nginx, node, python with some HTTP clients, ab, wrk, nghttp2's
# programs, openssl, a compiler of C++ for libFuzzer.
# Under target/peers, in versions that are known: packages of node's and Python's.
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

# Packages of Python's and node's: tests/it/programs.rs looks for them there.
cd "$(dirname "$0")/.."
peers="${CARGO_TARGET_DIR:-target}/peers"
mkdir -p "$peers/node"
# A folder with this is nobody's sources.
echo 'Signature: 8a477f597d28d172789f06886806bc55' >"$peers/CACHEDIR.TAG"

wanted=(aiohttp==3.14.5 h2==4.4.1 httpx==0.28.1 requests==2.34.2 websockets==17.4)
found=$("$peers/venv/bin/pip" freeze 2>/dev/null | grep -cxFf <(printf '%s\n' "${wanted[@]}") || true)
if [[ $found != "${#wanted[@]}" ]]; then
    python3 -m venv --clear "$peers/venv"
    "$peers/venv/bin/pip" install --quiet --disable-pip-version-check "${wanted[@]}"
fi

ws=8.23.0
if ! grep -qsF "\"version\": \"$ws\"" "$peers/node/node_modules/ws/package.json"; then
    if ! command -v npm >/dev/null; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm
    fi
    npm install --silent --no-audit --no-fund --prefix "$peers/node" "ws@$ws"
fi
