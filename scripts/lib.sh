# Shared by the scripts of this folder: where things live and how a step is told. Sourced, never run.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Downloads and llama-server outlive a checkout; each thing lies in a folder named after its content or its pins.
WEIR_CACHE=${WEIR_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/weir}
PYTHON=/usr/bin/python3  # Debian's: the pinned wheels are for its version, whatever else comes first in PATH

# Node.js builds the web console (and llama.cpp's source comes by npm). Vite asks for this version at least.
NODE_MIN=20.19.0
NODE_DIR=$WEIR_CACHE/node-24.19.0

# True when a Node.js that is new enough is in PATH; one that scripts/setup fetched is put there.
find_node() {
  local dir
  for dir in "" "$NODE_DIR/bin:"; do
    if PATH=$dir$PATH command -v npm >/dev/null 2>&1 &&
      PATH=$dir$PATH node -e 'const [a, b] = [process.versions.node, process.argv[1]].map((v) => v.split(".").map(Number));
        process.exit(a[0] > b[0] || (a[0] === b[0] && a[1] >= b[1]) ? 0 : 1)' "$NODE_MIN" 2>/dev/null; then
      export PATH=$dir$PATH
      return 0
    fi
  done
  return 1
}

say() { printf '%s\n' "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# headline TEXT: what comes now, after how long.
headline() { printf '\n== [%02d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }

# step TEXT COMMAND...: a line when it starts, its seconds when it is over, its output only when it fails.
step() {
  local text=$1 log status begin=$EPOCHREALTIME
  shift
  log=$(mktemp)
  printf '  %s ... ' "$text"
  set +e
  (set -e && "$@") >"$log" 2>&1  # not as the condition of an if: that would switch -e off inside
  status=$?
  set -e
  if [ $status = 0 ]; then
    awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s\n", b - a }'
  else
    printf 'failed\n'
    tail -n 30 "$log" >&2
  fi
  rm -f "$log"
  return $status
}

# build_with_progress DIR [NINJA ARGUMENTS]: ninja's own status line on a terminal; elsewhere one step in twenty, what
# the compilers say, and everything from the first failure on.
build_with_progress() {
  local dir=$1
  shift
  if [ -t 1 ]; then
    ninja -C "$dir" "$@"
  else
    NINJA_STATUS='[%f/%t %es] ' ninja -C "$dir" "$@" |
      awk '/^FAILED/ { bad = 1 } bad || !/^\[/ || n++ % 20 == 0 { print "  " $0; fflush() }'
  fi
}
