#!/usr/bin/env bash
# Installs what some tests need beside cargo, on Debian, as root: curl, chromium, git, valgrind,
# redis, nginx, node, python with httpx, openssl,
# nghttp2's programs.
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
command -v openssl >/dev/null || missing+=(openssl)
command -v h2load >/dev/null || missing+=(nghttp2-client)
command -v nghttpd >/dev/null || missing+=(nghttp2-server)
python3 -c 'import ensurepip, pip' 2>/dev/null || missing+=(python3-pip python3-venv)
if ((${#missing[@]})); then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
if ! python3 -c 'import httpx, h2' 2>/dev/null; then
    python3 -m pip install --quiet 'httpx[http2]' 2>/dev/null ||
        python3 -m pip install --quiet --break-system-packages 'httpx[http2]'
fi
