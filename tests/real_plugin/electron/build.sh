#!/usr/bin/env bash
# Fetches published releases of @capgo/electron-updater with what they depend on, Electron itself excepted: build.sh RELEASE...
# They go into the folder that EDGE_REAL_PLUGIN_CACHE names, as for ../build.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$(realpath -m "${EDGE_REAL_PLUGIN_CACHE:-${TMPDIR:-/tmp}/edge-real-plugin}")
root=$(git -C "$here" rev-parse --show-toplevel 2>/dev/null || echo "$here")
case "$cache/" in "$root"/*) echo "EDGE_REAL_PLUGIN_CACHE must lie outside of $root: third-party code is never written there" >&2; exit 2;; esac
for release in "$@"; do
    out="$cache/electron-$release"
    if [ ! -f "$out/made" ]; then
        rm -rf "$out"
        mkdir -p "$out"
        npm install --silent --no-audit --no-fund --ignore-scripts --legacy-peer-deps --prefix "$out" "@capgo/electron-updater@$release"
        touch "$out/made"
    fi
    echo "electron $release built"
done
