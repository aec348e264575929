#!/usr/bin/env bash
# Checks and times the CUDA backend on a bare machine with a GPU, part by part: nothing to install but what --help
# names. gpu-first-light.sh runs all parts in order of value within a number of minutes.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/gpu/steps.sh
source "$here/gpu/steps.sh"

usage() {
  cat <<'TEXT'
scripts/gpu-check.sh --part NAME[,NAME...] [options]

Needs nvcc 12 or newer, CMake 3.19, a C++20 compiler and Google Highway's headers (libhwy-dev, or --highway); some parts python3, with
PyTorch for the comparison, or Node.js. A step that fails is reported and the rest continues. Results are appended to DIR/results.jsonl as they
come; DIR/report.md is made of it at the end.

  machine    GPU, driver, compiler; peaks of products and copies by PyTorch
  build      configures and compiles, for this GPU alone: tests, benches, and the addon where Node's headers are
  suite      kernels against plain loops, then the C++ suite in both precisions
  goldens    golden files in both precisions, through Node.js (--node, and gpu-pack.sh's folder or a set-up checkout)
  steps      whole steps of VGG-16 and VGG-9, training and inference
  opponent   the same by PyTorch (--reference): fp32 and bfloat16, plain and compiled
  layers     every product of every layer against measured peaks; events against dense products at four activities
  sanitizer  memcheck and racecheck of compute-sanitizer on small networks
  bisect     after a suite that failed: its tests alone, one launch at a time, under the sanitizers, without optimisation

  --part LIST                    (default: machine,build,suite,goldens,steps,opponent,layers,sanitizer)
  --out DIR                      results and logs (default: gpu-check)
  --build DIR                    (default: the programs of the pack, where it has them; else build-gpu)
  --device N                     (default: 0)
  --arch LIST                    compute capabilities, 90 or 80;90 (default: that of the GPU)
  --pack DIR                     what gpu-pack.sh packed (default: gpu-pack, where it is there)
  --highway DIR                  folder that holds hwy/highway.h
  --node NODE                    (default: that of the pack, else node)
  --python PYTHON                one that has torch (default: python3)
  --reference FILE               single_spike.py, the opponent (default: that of the pack)
  --models "vgg16 vgg9"          (default)
  --batches "64 128 256 512 1024 2048"  (default)
  --seconds N                    no step begins after this time, none runs beyond it (default: 570)
  --emulator                     rehearses without a GPU: the emulator of native/test in its place, a tiny network, few tests
  --dry-run                      prints the commands
  --help
TEXT
}

part=machine,build,suite,goldens,steps,opponent,layers,sanitizer
out=gpu-check build='' device=0 arch='' pack='' highway='' node='' python=python3 reference=''
models="vgg16 vgg9" batches="64 128 256 512 1024 2048" seconds=570 emulator='' dry=''
fail_usage() { echo "gpu-check: $1" >&2; echo "Try: scripts/gpu-check.sh --help" >&2; exit 2; }
while (($# > 0)); do
  case $1 in
    --help) usage; exit 0 ;;
    --dry-run) dry=yes; shift; continue ;;
    --emulator) emulator=yes; shift; continue ;;
    --part | --out | --build | --device | --arch | --pack | --highway | --node | --python | --reference | --models | --batches | --seconds)
      (($# > 1)) || fail_usage "Expected a value after $1"
      printf -v "${1#--}" '%s' "$2"; shift 2 ;;
    *) fail_usage "Expected an option but received '$1'" ;;
  esac
done
known='^(machine|build|suite|goldens|steps|opponent|layers|sanitizer|bisect)$'
for name in ${part//,/ }; do [[ $name =~ $known ]] || fail_usage "Expected names of parts, as --help lists them, for --part but received '$name'"; done
[[ $device =~ ^[0-9]+$ ]] || fail_usage "Expected a number for --device but received '$device'"
[[ $seconds =~ ^[0-9]+$ ]] || fail_usage "Expected a number for --seconds but received '$seconds'"
[[ -z $emulator ]] || models=tiny batches="2 4"
for model in $models; do [[ $model =~ ^(tiny|vgg(6|9|16))$ ]] || fail_usage "Expected vgg6, vgg9 or vgg16 for --models but received '$model'"; done
for batch in $batches; do [[ $batch =~ ^[1-9][0-9]*$ ]] || fail_usage "Expected numbers for --batches but received '$batch'"; done
[[ -z $reference || -f $reference ]] || fail_usage "Expected a file for --reference but received '$reference'"

root=$(dirname "$here")
absolute() { [[ -z $1 || $1 = /* ]] && printf '%s' "$1" || printf '%s/%s' "$PWD" "$1"; }
out=$(absolute "$out") build=$(absolute "$build") reference=$(absolute "$reference") pack=$(absolute "$pack")
cd "$root" || exit 1
[[ -n $pack ]] || pack=$root/gpu-pack
packed=''
[[ -n $build || ! -x $pack/bin/native_tests ]] || build=$pack/bin packed=yes
[[ -n $build ]] || build=$root/build-gpu
if [[ -d $pack ]]; then
  [[ -n $highway || ! -d $pack/highway ]] || highway=$pack/highway
  [[ -n $node || ! -x $pack/node ]] || node=$pack/node
  [[ -n $reference || ! -f $pack/single_spike.py ]] || reference=$pack/single_spike.py
fi
[[ -n $node ]] || node=node
export CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES:-$device}  # the steps below see one device, as number 0
# The package whose JavaScript runs, and beside which it looks for the addon.
package=$([[ -f $pack/package.json ]] && echo "$pack" || echo "$root")
deadline=$((SECONDS + seconds))
[[ -n $dry ]] || mkdir -p "$out/logs"
wanted() { [[ ,$part, = *",$1,"* ]]; }

# shellcheck source=scripts/gpu/parts.sh
source "$here/gpu/parts.sh"
for name in machine build suite goldens steps opponent layers sanitizer bisect; do
  if wanted "$name"; then "part_$name"; fi
done

[[ -z $dry ]] || exit 0
if command -v python3 >/dev/null 2>&1; then
  python3 scripts/gpu/table.py "$out" >"$out/report.md" && echo "written to $out/report.md"
else echo "no python3: the results are in $out/results.jsonl"; fi
((failures == 0)) || { echo "$failures steps failed" >&2; exit 1; }
