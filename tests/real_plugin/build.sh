#!/usr/bin/env bash
# Fetches published releases of the plugin from npm and compiles each, unmodified, against the stubs:
#   build.sh RELEASE...
# EDGE_REAL_PLUGIN_CACHE names the folder for what is fetched and compiled (default: edge-real-plugin below the system's
# temporary directory). It must lie outside of the repository. A release that is up to date there is left as it is.
# Exit 1 when a release did not compile: its javac.log says why.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
capacitor_release=8.5.2
cache=$(realpath -m "${EDGE_REAL_PLUGIN_CACHE:-${TMPDIR:-/tmp}/edge-real-plugin}")
root=$(git -C "$here" rev-parse --show-toplevel 2>/dev/null || echo "$here")
case "$cache/" in "$root"/*) echo "EDGE_REAL_PLUGIN_CACHE must lie outside of $root: third-party code is never written there" >&2; exit 2;; esac
mkdir -p "$cache"

packages=(libandroid-json-java libokhttp-java libokio-java libguava-java libgoogle-gson-java libjna-java libbrotli1)
command -v javac >/dev/null || packages+=(default-jdk-headless)
missing=()
for package in "${packages[@]}"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ]; then echo "please install: ${missing[*]}" >&2; exit 2; fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# One npm package, unpacked below the cache. $3: the sha256 of its tarball, where it is pinned.
fetch() {
    local folder="$cache/npm/${1//\//+}-$2"
    if [ ! -d "$folder/package" ]; then
        rm -rf "$folder"
        mkdir -p "$folder"
        (cd "$folder" && npm pack --silent "$1@$2" >/dev/null) || { echo "npm has no $1@$2" >&2; return 1; }
        local archive; archive=$(ls "$folder"/*.tgz)
        if [ -n "${3:-}" ] && [ "$(sha256sum "$archive" | cut -d' ' -f1)" != "$3" ]; then
            echo "unexpected content of $1@$2" >&2
            rm -rf "$folder"
            return 1
        fi
        tar xzf "$archive" -C "$folder"
    fi
    echo "$folder/package"
}

jars=/usr/share/java
libraries=
for jar in com.android.json okhttp-urlconnection okhttp okio guava gson jna; do
    [ -e "$jars/$jar.jar" ] || { echo "missing $jars/$jar.jar" >&2; exit 2; }
    libraries="$libraries:$jars/$jar.jar"
done
# The same sources and compiler give the same classes.
made=$({ cd "$here" && find build.sh stubs driver -type f | LC_ALL=C sort | xargs sha256sum; javac -version 2>&1; } | sha256sum | cut -d' ' -f1)

build() {
    local release=$1 out="$cache/$1" plugin capacitor class
    [ "$(cat "$out/made" 2>/dev/null)" != "$made" ] || return 0
    plugin=$(fetch @capgo/capacitor-updater "$release") || return 1
    capacitor=$(fetch @capacitor/android "$capacitor_release" ebb2113aa97526ce66b11653b26f7f763d976788ee69b1725aa88c0bc5347efe) || return 1
    rm -rf "$out"
    mkdir -p "$out/src" "$out/capacitor" "$out/inert" "$out/classes"
    cp -r "$plugin/android/src/main/java/." "$out/src/"
    chmod -R u+w "$out/src"
    # "case DelayUntilNext.kill:" is Java 21's spelling of "case kill:"; older compilers know only the latter.
    if [ "$(javac -version 2>&1 | sed -E 's/[^0-9]*([0-9]+).*/\1/')" -lt 21 ]; then
        find "$out/src" -name DelayUpdateUtils.java -exec sed -i -E 's/case DelayUntilNext\.([A-Za-z]+):/case \1:/' {} +
    fi
    # The Capacitor classes that need no Android; the rest of com.getcapacitor is in stubs/.
    for class in JSObject JSArray JSValue PluginConfig PluginResult PluginCall PluginMethod CapConfig Logger PermissionState \
        WebViewListener util/JSONUtils plugin/WebView annotation/CapacitorPlugin annotation/Permission; do
        mkdir -p "$out/capacitor/$(dirname "$class")"
        cp "$capacitor/capacitor/src/main/java/com/getcapacitor/$class.java" "$out/capacitor/$class.java"
    done
    awk -v d="$out/inert" '/^#/ { next } /^=== / { f = d "/" $2; dir = f; sub(/\/[^\/]*$/, "", dir); system("mkdir -p \"" dir "\""); next } { print > f }' "$here/stubs/inert.txt"
    find "$out/src" "$out/capacitor" "$out/inert" "$here/stubs" "$here/driver" -name '*.java' > "$out/files"
    javac -proc:none -nowarn -encoding UTF-8 -J-XX:+UseSerialGC -cp "$out/classes$libraries" -d "$out/classes" @"$out/files" 2> "$out/javac.log" || return 1
    rm -rf "$out/src" "$out/capacitor" "$out/inert" # classes are all that a launch needs
    echo "$out/classes$libraries" > "$out/classpath"
    echo "$made" > "$out/made"
}

failed=0
exec 9>"$cache/lock" # two builds at once would write over each other
for release in "$@"; do
    flock 9
    if build "$release"; then echo "$release built"; else
        failed=1
        echo "$release does not compile: $(grep -m1 error: "$cache/$release/javac.log" 2>/dev/null || echo 'not fetched')"
    fi
    flock -u 9
done
exit $failed
