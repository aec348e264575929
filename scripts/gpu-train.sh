#!/usr/bin/env bash
# The whole CIFAR-10 recipe on a GPU: ANN, conversion, spiking network, energy; closes with a row for docs/RESULTS.md.
set -uo pipefail

usage() {
  cat <<'TEXT'
scripts/gpu-cifar10.sh --data DIR [options]

  --data DIR      folder that holds cifar-10-batches-bin, or that folder
  --preset NAME   vgg6, vgg9, vgg11 or vgg16 (default: vgg16)
  --out RUN       folder of the run; one that holds an unfinished run is resumed (default: runs/gpu-cifar10-PRESET)
  --minutes N     interrupts after that time; the next call goes on from there (default: none)
  --node NODE     Node.js 20 or newer (default: node)
  --set KEY=VALUE a key of the configuration; may be repeated
  --dry-run       prints the commands
  --help

Where there is no network: on a machine that has one, of the same processor family, run `npm run setup` in a checkout, then carry the checkout
without its binaries, and Node.js itself, which is one folder:
  tar czf onespike.tgz --exclude='./build*' --exclude=./.git .
  tar czf node.tgz -C "$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")" bin/node
and there: tar xzf both, then scripts/gpu-cifar10.sh --node PATH/bin/node --data DIR. The native part is built there, for its GPU: it needs nvcc,
CMake, a C++20 compiler and Highway's headers (libhwy-dev).
TEXT
}

data='' preset=vgg16 out='' minutes='' node=node dry='' overrides=()
fail_usage() { echo "gpu-cifar10: $1" >&2; echo "Try: scripts/gpu-cifar10.sh --help" >&2; exit 2; }
while (($# > 0)); do
  case $1 in
    --help) usage; exit 0 ;;
    --dry-run) dry=yes; shift; continue ;;
    --set) (($# > 1)) || fail_usage "Expected KEY=VALUE after --set"; overrides+=(--set "$2"); shift 2 ;;
    --data | --preset | --out | --minutes | --node) (($# > 1)) || fail_usage "Expected a value after $1"; printf -v "${1#--}" '%s' "$2"; shift 2 ;;
    *) fail_usage "Expected an option but received '$1'" ;;
  esac
done
[[ $preset =~ ^vgg(6|9|11|16)$ ]] || fail_usage "Expected vgg6, vgg9, vgg11 or vgg16 for --preset but received '$preset'"
[[ -z $minutes || $minutes =~ ^[1-9][0-9]*$ ]] || fail_usage "Expected a number for --minutes but received '$minutes'"
[[ -n $data ]] || fail_usage "Expected --data DIR"
[[ -n $dry || -d $data ]] || fail_usage "Expected a folder for --data but received '$data'"
data=$(realpath -m "$data") out=$(realpath -m "${out:-runs/gpu-cifar10-$preset}")
cd "$(dirname "$0")/.." || exit 1
main=dist/lib/cli/main.js

run() {
  if [[ -n $dry ]]; then printf ' %q' "$@"; echo; else "$@"; fi
}

[[ -n $dry ]] || "$node" -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || fail_usage "Expected Node.js 20 or newer for --node but received '$node'"
run "$node" scripts/setup.mjs || exit 1
run "$node" "$main" doctor || exit 1
# SIGINT is Ctrl-C: the run is saved and the exit code is 130.
limit=()
[[ -z $minutes ]] || limit=(timeout -s INT "$((minutes * 60))")
if [[ -f $out/run.json ]]; then run "${limit[@]}" "$node" "$main" resume "$out"
else run "${limit[@]}" "$node" "$main" train "$preset" --dataset cifar10 --data "$data" --backend cuda --out "$out" "${overrides[@]}"; fi
code=$?
if ((code == 130 || code == 124)); then echo "not finished: run this again to go on" >&2; exit 130; fi
((code == 0)) || exit "$code"
run "$node" "$main" eval "$out" --backend cuda
run "$node" "$main" eval "$out" --backend cpu
[[ -z $dry ]] || exit 0
echo
echo "$(date -u +%Y-%m-%d), $(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1)"
"$node" -e '
const { config, precision, results: r } = JSON.parse(require("node:fs").readFileSync(process.argv[1] + "/run.json", "utf8"));
const percent = (share) => (share === null ? "–" : (100 * share).toFixed(2) + " %");
console.log("| network | precision | epochs | ANN | converted | SNN | spikes/neuron | energy ANN / SNN | wall time |\n|---|---|---|---|---|---|---|---|---|");
console.log("| " + [r.model, precision, config.ann.epochs + " + " + config.snn.epochs, percent(r.ann.testAccuracy), percent(r.converted.testAccuracy), percent(r.snn.testAccuracy),
  r.snn.spikesPerNeuron?.toFixed(3) ?? "–", r.energy.ratio?.toFixed(1) ?? "–", (r.seconds / 60).toFixed(1) + " min"].join(" | ") + " |");
' "$out"
