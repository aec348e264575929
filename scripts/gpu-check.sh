#!/usr/bin/env bash
# Checks and times the CUDA backend on a bare machine with a GPU: no Node, nothing to install but what --help names.
set -uo pipefail

usage() {
  cat <<'TEXT'
scripts/gpu-check.sh [options]: builds for the GPU of this machine, tests, times, and writes one table.

Needs nvcc 12 or newer, CMake 3.19, a C++20 compiler, Google Highway's headers (libhwy-dev, or --highway); for the comparison and the
table also python3, with PyTorch for the comparison. A step that fails is reported and the rest goes on.

  --part check|layers|steps|opponent|all
                                 check: tests on the GPU and under compute-sanitizer; layers: every kernel of every layer, and
                                 events against dense products at four activities; steps: whole
                                 steps; opponent: the same by PyTorch (default: all; one at a time, each has its own ten minutes)
  --out DIR                      results and logs; parts that run one after the other share a table (default: gpu-check)
  --build DIR                    (default: build-gpu)
  --device N                     (default: 0)
  --arch LIST                    compute capabilities, 90 or 80;90 (default: that of the GPU)
  --highway DIR                  folder that holds hwy/highway.h
  --python PYTHON                one that has torch (default: python3)
  --reference FILE               single_spike.py, the opponent; without it nothing is compared
  --models "vgg16 vgg9"          (default)
  --batches "64 128 256 512 1024"  (default; PyTorch: the first, the middle and the last, compiled the last alone)
  --seconds N                    no step begins after this time, none runs beyond it (default: 570)
  --dry-run                      prints the commands
  --help
TEXT
}

part=all out=gpu-check build=build-gpu device=0 arch='' highway='' python=python3 reference=''
models="vgg16 vgg9" batches="64 128 256 512 1024" seconds=570 dry=''
fail_usage() { echo "gpu-check: $1" >&2; echo "Try: scripts/gpu-check.sh --help" >&2; exit 2; }
while (($# > 0)); do
  case $1 in
    --help) usage; exit 0 ;;
    --dry-run) dry=yes; shift; continue ;;
    --part | --out | --build | --device | --arch | --highway | --python | --reference | --models | --batches | --seconds)
      (($# > 1)) || fail_usage "Expected a value after $1"
      printf -v "${1#--}" '%s' "$2"; shift 2 ;;
    *) fail_usage "Expected an option but received '$1'" ;;
  esac
done
[[ $part =~ ^(check|layers|steps|opponent|all)$ ]] || fail_usage "Expected check, layers, steps, opponent or all for --part but received '$part'"
[[ $device =~ ^[0-9]+$ ]] || fail_usage "Expected a number for --device but received '$device'"
[[ $seconds =~ ^[0-9]+$ ]] || fail_usage "Expected a number for --seconds but received '$seconds'"
for model in $models; do [[ $model =~ ^vgg(6|9|16)$ ]] || fail_usage "Expected vgg6, vgg9 or vgg16 for --models but received '$model'"; done
for batch in $batches; do [[ $batch =~ ^[1-9][0-9]*$ ]] || fail_usage "Expected numbers for --batches but received '$batch'"; done
[[ -z $reference || -f $reference ]] || fail_usage "Expected a file for --reference but received '$reference'"

root=$(cd "$(dirname "$0")/.." && pwd)
[[ -z $reference ]] || reference=$(realpath "$reference")
[[ $out = /* ]] || out=$PWD/$out
[[ $build = /* ]] || build=$PWD/$build
cd "$root" || exit 1
export CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES:-$device}  # the steps below see one device, as number 0
deadline=$((SECONDS + seconds))
failures=0
results=$out/results.jsonl steps=$out/steps.tsv
[[ -n $dry ]] || mkdir -p "$out/logs"

# note STATUS NAME SECONDS DETAIL
note() {
  printf '%-8s %s  %s\n' "$1" "$2" "$4"
  [[ $1 != FAILED ]] || failures=$((failures + 1))
  [[ -n $dry ]] || printf '%s\t%s\t%s\t%s\n' "$2" "$1" "$3" "$4" >>"$steps"
}

# step NAME LIMIT COMMAND...: its output goes to a log, lines that are JSON to the results, its last line to the report.
step() {
  local name=$1 limit=$2 log left start code detail
  shift 2
  if [[ -n $dry ]]; then printf '%s: ' "$name"; printf ' %q' "$@"; echo; return 0; fi
  left=$((deadline - SECONDS))
  if ((left < 5)); then note skipped "$name" 0 "no time left: run it again with a --part or fewer --models"; return 1; fi
  log=$out/logs/${name//[^A-Za-z0-9.-]/_}.log
  start=$SECONDS
  timeout -k 10 "$((limit < left ? limit : left))" "$@" >"$log.out" 2>"$log"
  code=$?
  grep '^{.*}$' "$log.out" >>"$results"
  cat "$log.out" >>"$log"
  # A test says how many failed; another program that failed, why.
  detail=$(grep -E '^[0-9]+ passed, [0-9]+ failed|ERROR SUMMARY|RACECHECK SUMMARY|CUDA backend:' "$log" | tail -n 1)
  [[ $detail != "0 passed, 0 failed" ]] || detail=$(grep '^skip' "$log" | head -n 1)
  [[ -n $detail || $code = 0 ]] || detail=$(grep -iE 'error|cannot|expected|no such|not found' "$log" | head -n 1)
  [[ -n $detail ]] || detail=$(grep -v '^{' "$log" | tail -n 1)
  detail=${detail#-- }
  detail=$(tr -d '\t' <<<"${detail:0:160}")
  case $code in
    0) note ok "$name" $((SECONDS - start)) "$detail" ;;
    124 | 137) note FAILED "$name" $((SECONDS - start)) "stopped after $((SECONDS - start)) s; $detail" ;;
    3) note ok "$name" $((SECONDS - start)) "$detail" ;;  # the largest batches do not fit: said by the program
    *) note FAILED "$name" $((SECONDS - start)) "exit $code: $detail (${log#"$PWD"/})" ;;
  esac
  return $code
}

have() { [[ -n $dry ]] || command -v "$1" >/dev/null 2>&1; }

# ---- what this is

if [[ -z $dry ]]; then
  gpu=$(nvidia-smi -i "$device" --query-gpu=name,driver_version,memory.total,compute_cap,clocks.max.sm --format=csv,noheader 2>/dev/null) || gpu=''
  printf '%s\n' "$(date -u +%Y-%m-%d)" "${gpu:-no GPU (nvidia-smi does not answer)}" "$(nvcc --version 2>/dev/null | tail -n 1 || true)" >"$out/machine.txt"
  sed 's/^/machine  /' "$out/machine.txt"
fi

# ---- build

options=(-DCMAKE_BUILD_TYPE=Release)
[[ -z $arch ]] || options+=("-DONESPIKE_CUDA_ARCHITECTURES=$arch")
[[ -z $highway ]] || options+=("-DHIGHWAY_INCLUDE_DIR=$highway")
built=yes
[[ $part = opponent ]] || step configure 120 cmake -S . -B "$build" "${options[@]}" || built=''
if [[ -n $built && -z $dry && $part != opponent ]] && ! grep -q 'CUDA backend: built' "$out/logs/configure.log"; then
  note FAILED cuda 0 "$(grep 'CUDA backend:' "$out/logs/configure.log")"
  built=''
fi
jobs=$(nproc)
# make TARGET: the rest goes on without it.
make_target() { [[ -n $built ]] && step "build $1" 500 cmake --build "$build" --parallel "$jobs" --target "$1"; }

# ---- tests

# A few tests that meet every kernel: each tool slows them down ten to a hundred times.
sanitized=("tensor cores" "every surrogate and encoder, CUDA" "random networks 1, CUDA" "mixed precision 1, CUDA" "random ANNs 1, CUDA" "adamw with amsgrad"
  "calibration of odd shapes, CUDA" "resume continues bit for bit: SNN, CUDA" "drawn by the network equals batch drawn for it, CUDA")
if [[ $part =~ ^(check|all)$ ]] && make_target native_tests; then
  step "tests on the GPU" 300 "$build/native_tests" CUDA "tensor cores"
  if have compute-sanitizer; then
    for tool in memcheck racecheck initcheck; do
      step "$tool" 150 compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/native_tests" "${sanitized[@]}"
    done
  else
    note skipped sanitizer 0 "compute-sanitizer is not there (CUDA toolkit, cuda-sanitizer)"
  fi
fi

# ---- kernels, layer by layer

torch=''
if [[ -n $dry ]] || "$python" -c 'import torch; assert torch.cuda.is_available()' >/dev/null 2>&1; then torch=yes; fi
if [[ $part =~ ^(layers|steps|opponent|all)$ ]]; then
  if [[ -n $torch ]]; then step peak 60 "$python" bench/pytorch-peak.py
  else note skipped peak 0 "$python has no PyTorch that sees a GPU: no roofline"; fi
fi
if [[ $part =~ ^(layers|all)$ ]] && make_target cuda_bench; then
  step "kernels" 200 "$build/cuda_bench" --layers --json && [[ -z $dry ]] && cp "$out/logs/kernels.log.out" "$out/layers.json"
  # Both kernels where one is chosen by density, at four activities: where their times cross belongs into native/cuda/choice/crossing.h.
  step "events or dense" 200 "$build/cuda_bench" --crossing --json && [[ -z $dry ]] && cp "$out/logs/events_or_dense.log.out" "$out/crossing.json"
fi

# ---- whole steps

if [[ $part =~ ^(steps|all)$ ]]; then
  make_target native_bench || built=''
  for model in $models; do
    for mode in train infer; do
      for precision in mixed fp32; do
        for batch in $batches; do
          [[ -n $built ]] || break
          step "onespike $model $mode $precision $batch" 60 "$build/native_bench" "$model" "$mode" "$batch" 5 0.12 2 "$precision" 48 --backend cuda --warmup 16 --json ||
            break  # a batch that does not fit: neither will the next
        done
      done
    done
  done
fi

# ---- the same by PyTorch

if [[ $part =~ ^(opponent|all)$ ]]; then
  read -ra sizes <<<"$batches"
  few=$(printf '%s\n' "${sizes[0]}" "${sizes[$((${#sizes[@]} / 2))]}" "${sizes[-1]}" | uniq | paste -sd,)
  if [[ -z $reference ]]; then note skipped PyTorch 0 "no --reference"
  elif [[ -z $torch ]]; then note skipped PyTorch 0 "$python has no PyTorch that sees a GPU"
  else
    for model in $models; do
      for mode in train infer; do
        run=("$python" bench/pytorch-snn.py "$reference" "$model" "$mode" --device cuda --warmup 3 --iterations 10)
        step "PyTorch $model $mode float32" 90 "${run[@]}" --batches "$few"
        step "PyTorch $model $mode bfloat16" 90 "${run[@]}" --batches "$few" --dtype bfloat16
        step "PyTorch $model $mode bfloat16 compiled" 180 "${run[@]}" --batches "${sizes[-1]}" --dtype bfloat16 --compile
      done
    done
  fi
fi

# ---- the table

[[ -z $dry ]] || exit 0
if command -v python3 >/dev/null 2>&1; then
  python3 scripts/gpu-table.py "$out" >"$out/report.md" && { echo; cat "$out/report.md"; echo; echo "written to ${out#"$PWD"/}/report.md"; }
else
  echo "no python3: the results are in $results"
fi
((failures == 0)) || { echo "$failures steps failed" >&2; exit 1; }
