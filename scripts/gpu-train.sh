#!/usr/bin/env bash
# A whole recipe on a GPU: ANN, conversion, spiking network, energy; closes with a row for docs/RESULTS.md.
set -uo pipefail

usage() {
  cat <<'TEXT'
scripts/gpu-train.sh --data DIR [options]

  --data DIR        folder that holds cifar-100-binary (cifar-10-batches-bin for cifar10), or that folder
  --dataset NAME    cifar10 or cifar100 (default: cifar100)
  --preset NAME     vgg6, vgg9, vgg11 or vgg16 (default: vgg16)
  --out RUN         folder of the run; one that holds an unfinished run is resumed (default: runs/gpu-DATASET-PRESET)
  --seconds N       interrupts after that time; the next call continues from there (default: none)
  --node NODE       Node.js 20 or newer (default: node)
  --command FILE    the compiled command line (default: dist/lib/cli/main.js, which is built first)
  --set KEY=VALUE   a key of the configuration; may be repeated
  --json            prints events as lines of JSON
  --dry-run         prints the commands
  --help

Where there is no network and no Node.js, gpu-pack.sh packs what is needed.
TEXT
}

data='' dataset=cifar100 preset=vgg16 out='' seconds='' node=node command='' json='' dry='' overrides=()
fail_usage() { echo "gpu-train: $1" >&2; echo "Try: scripts/gpu-train.sh --help" >&2; exit 2; }
while (($# > 0)); do
  case $1 in
    --help) usage; exit 0 ;;
    --dry-run) dry=yes; shift; continue ;;
    --json) json=--json; shift; continue ;;
    --set) (($# > 1)) || fail_usage "Expected KEY=VALUE after --set"; overrides+=(--set "$2"); shift 2 ;;
    --data | --dataset | --preset | --out | --seconds | --node | --command) (($# > 1)) || fail_usage "Expected a value after $1"; printf -v "${1#--}" '%s' "$2"; shift 2 ;;
    *) fail_usage "Expected an option but received '$1'" ;;
  esac
done
[[ $preset =~ ^vgg(6|9|11|16)$ ]] || fail_usage "Expected vgg6, vgg9, vgg11 or vgg16 for --preset but received '$preset'"
[[ $dataset =~ ^cifar100?$ ]] || fail_usage "Expected cifar10 or cifar100 for --dataset but received '$dataset'"
[[ -z $seconds || $seconds =~ ^[1-9][0-9]*$ ]] || fail_usage "Expected a number for --seconds but received '$seconds'"
[[ -n $data ]] || fail_usage "Expected --data DIR"
[[ -n $dry || -d $data ]] || fail_usage "Expected a folder for --data but received '$data'"
data=$(realpath -m "$data") out=$(realpath -m "${out:-runs/gpu-$dataset-$preset}")
[[ -z $command ]] || command=$(realpath -m "$command")
cd "$(dirname "$0")/.." || exit 1

run() {
  if [[ -n $dry ]]; then printf ' %q' "$@"; echo; else "$@"; fi
}

[[ -n $dry ]] || "$node" -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || fail_usage "Expected Node.js 20 or newer for --node but received '$node'"
if [[ -z $command ]]; then
  command=dist/lib/cli/main.js
  run "$node" scripts/setup.mjs || exit 1
fi
run "$node" "$command" doctor || exit 1
# SIGINT is Ctrl-C: the run is saved and the exit code is 130.
limit=()
[[ -z $seconds ]] || limit=(timeout -s INT "$seconds")
if [[ -f $out/run.json ]]; then run "${limit[@]}" "$node" "$command" resume "$out" $json
else run "${limit[@]}" "$node" "$command" train "$preset" --dataset "$dataset" --data "$data" --backend cuda --out "$out" "${overrides[@]}" $json; fi
code=$?
if ((code == 130 || code == 124)); then echo "not finished: run this again to continue" >&2; exit 130; fi
((code == 0)) || exit "$code"
run "$node" "$command" eval "$out" --backend cuda $json
run "$node" "$command" eval "$out" --backend cpu $json
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
