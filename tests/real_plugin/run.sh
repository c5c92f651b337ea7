#!/usr/bin/env bash
# One launch of the pretend phone: run.sh RELEASE COMMAND [options], see README.md. build.sh makes what it runs.
set -euo pipefail
out=${EDGE_REAL_PLUGIN_CACHE:-${TMPDIR:-/tmp}/edge-real-plugin}/${1:?a release of the plugin, for example 8.51.23}
shift
[ -f "$out/classpath" ] || { echo "run build.sh first: there is no $out/classpath" >&2; exit 2; }
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xmx512m -Dfile.encoding=UTF-8 -cp "$(cat "$out/classpath")" realdevice.RealDevice "$@"
