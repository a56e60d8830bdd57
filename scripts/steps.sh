# shellcheck shell=bash
# Sourced by the scripts beside it: go to the project's folder, show steps, fail in one line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "$*" >&2
  exit 1
}

# step "Doing this" command…: quiet while it works, timed when it takes a while, loud when it fails.
step() {
  local label=$1 began=$SECONDS log
  shift
  log=$(mktemp)
  echo "$label"
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail "$label: failed after $((SECONDS - began)) s, for the reason above."
  fi
  rm -f "$log"
  if [ $((SECONDS - began)) -gt 1 ]; then echo "  $((SECONDS - began)) s"; fi
}

# checksum path…: one line that changes when a file below these paths does.
checksum() {
  { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 cksum; pwd; } | cksum
}

# is_current stamp sum / remember stamp sum: whether a step was done for exactly this input.
is_current() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }
remember() { echo "$2" >"$1"; }
