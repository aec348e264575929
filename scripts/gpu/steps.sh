# Sourced by the scripts for machines with a GPU: steps with a time limit each. What they print as lines of JSON, and
# how they ended, is appended to one file as it comes, so that a run that is cut short has told what it knew.
#   out       folder of results and logs; results are in $out/results.jsonl
#   dry       not empty: only print the commands
#   deadline  of $SECONDS: no step begins less than five seconds before it, none runs beyond it

failures=0

# A JSON string.
quoted() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  printf '"%s"' "$(tr -d '\000-\037' <<<"$text")"
}

# note STATUS NAME SECONDS DETAIL; STATUS ok, FAILED or skipped
note() {
  printf '%-8s %s  %s\n' "$1" "$2" "$4"
  [[ $1 != FAILED ]] || failures=$((failures + 1))
  [[ -n $dry ]] || printf '{"step": %s, "status": "%s", "seconds": %d, "detail": %s}\n' "$(quoted "$2")" "$1" "$3" "$(quoted "$4")" >>"$out/results.jsonl"
}

log_of() { printf '%s/logs/%s.log' "$out" "${1//[^A-Za-z0-9.-]/_}"; }

# What a step is known by in the report: how many tests failed, or what a sanitizer says; of a program that failed, why.
last_word() {
  local log=$1 code=$2 detail
  detail=$(grep -E '^[0-9]+ passed, [0-9]+ failed|ERROR SUMMARY|RACECHECK SUMMARY|CUDA backend:' "$log" | tail -n 1)
  [[ $detail != "0 passed, 0 failed" ]] || detail=$(grep '^skip' "$log" | head -n 1)
  [[ -n $detail || $code = 0 ]] || detail=$(grep -iE 'error|cannot|expected|no such|not found' "$log" | head -n 1)
  [[ -n $detail ]] || detail=$(grep -v '^{' "$log" | tail -n 1)
  printf '%s' "${detail#-- }" | cut -c 1-200
}

# step NAME LIMIT COMMAND...: everything it prints goes to a log.
step() {
  local name=$1 limit=$2 log left start code detail
  shift 2
  if [[ -n $dry ]]; then printf '%s: ' "$name"; printf ' %q' "$@"; echo; return 0; fi
  left=$((deadline - SECONDS))
  if ((left < 5)); then note skipped "$name" 0 "no time left"; return 1; fi
  mkdir -p "$out/logs"
  log=$(log_of "$name") start=$SECONDS
  timeout -k 10 "$((limit < left ? limit : left))" "$@" 2>"$log.err" | tee "$log" | grep --line-buffered '^{.*}$' | grep --line-buffered -v '"event": *"progress"' >>"$out/results.jsonl"
  code=${PIPESTATUS[0]}
  cat "$log.err" >>"$log"
  rm -f "$log.err"
  detail=$(last_word "$log" "$code")
  case $code in
    0) note ok "$name" $((SECONDS - start)) "$detail" ;;
    3) note ok "$name" $((SECONDS - start)) "$detail" ;;  # the largest batches do not fit: said by the program
    124 | 137) note FAILED "$name" $((SECONDS - start)) "stopped after $((SECONDS - start)) s; $detail" ;;
    *) note FAILED "$name" $((SECONDS - start)) "exit $code: $detail" ;;
  esac
  return "$code"
}

have() { [[ -n $dry ]] || command -v "$1" >/dev/null 2>&1; }
