#!/usr/bin/env bash
# suite.sh PROGRAM COUNT NAME...: the C++ tests whose names contain one of these, in COUNT processes at a time, because
# the oracle of most tests keeps one core busy and the GPU idle. Lines come as they are written; the last one is the
# sum. The exit code is 1 if a test failed or a process ended without its sum, which says which share of the tests it
# had.
set -uo pipefail
program=$1 count=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"; kill $(jobs -p) 2>/dev/null' EXIT
share() {
  "$program" "--share=$1/$count" "${@:2}" 2>&1 | grep --line-buffered -v '^skip' | tee "$work/$1" | grep --line-buffered -vE '^[0-9]+ passed, [0-9]+ failed$'
  grep -qE '^[0-9]+ passed, [0-9]+ failed$' "$work/$1" || echo "FAIL share $1/$count ended in the middle, after: $(grep -E '^(ok|FAIL) ' "$work/$1" | tail -n 1)" | tee -a "$work/$1"
}
for ((i = 1; i <= count; ++i)); do share "$i" "$@" & done
wait
awk '/^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3 } /^FAIL share / { ++failed }
  END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }' "$work"/*
