#!/usr/bin/env bash
# Everything that a GPU is asked, in order of value, within some minutes: a run that is cut short has told the most
# important.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)

usage() {
  cat <<'TEXT'
scripts/gpu-first-light.sh --minutes N [options]

  a  GPU, driver, measured peaks                               g  compute-sanitizer: memcheck, racecheck
  b  build for this GPU, on all cores                          h  the recipe on CIFAR-100, as many epochs as fit
  c  C++ suite in both precisions, golden files
  d  whole steps, VGG-16 and VGG-9, batches 64 to 2048         If c fails, d, f and h give their time to finding the kernel at
  e  the same by PyTorch                                       fault (docs/design/cuda.md, "If the suite fails"): a wrong
  f  layer by layer; events against dense products             kernel is not timed.

Each part has its share of the time, with what the parts before it left over: of 12 minutes a to e have 5, f and g 2, h 4, and 1 is kept
in reserve. Every result is appended to DIR/results.jsonl as it comes, and DIR/report.md is written after every part.

  --minutes N      all in all
  --parts LETTERS  for machines that take one command at a time: abcdefg, then h (default: abcdefgh). Parts find what earlier calls built
  --out DIR        (default: first-light)
  --pack DIR       what gpu-pack.sh packed, unpacked (default: gpu-pack)
  --data DIR       unpacked CIFAR-100 (default: unpacked from the pack)
  --preset NAME    of h (default: vgg16)
  --emulator       rehearses without a GPU: the emulator in its place, tiny networks; h trains for one epoch
  --dry-run        prints the commands
  --help
  -- OPTION...     the rest goes to gpu-check.sh: --python, --reference, --node, --highway, --arch, --build, --device
TEXT
}

minutes='' parts=abcdefgh out=first-light pack=gpu-pack data='' preset=vgg16 emulator='' dry='' rest=()
fail_usage() { echo "gpu-first-light: $1" >&2; echo "Try: scripts/gpu-first-light.sh --help" >&2; exit 2; }
while (($# > 0)); do
  case $1 in
    --help) usage; exit 0 ;;
    --dry-run) dry=--dry-run; shift ;;
    --emulator) emulator=--emulator; shift ;;
    --) shift; rest=("$@"); break ;;
    --minutes | --parts | --out | --pack | --data | --preset) (($# > 1)) || fail_usage "Expected a value after $1"; printf -v "${1#--}" '%s' "$2"; shift 2 ;;
    *) fail_usage "Expected an option but received '$1'" ;;
  esac
done
[[ $minutes =~ ^[1-9][0-9]*$ ]] || fail_usage "Expected a number for --minutes but received '$minutes'"
[[ $parts =~ ^[a-h]+$ ]] || fail_usage "Expected letters from a to h for --parts but received '$parts'"
out=$(realpath -m "$out") pack=$(realpath -m "$pack")
[[ -z $data ]] || data=$(realpath -m "$data")
cd "$here/.." || exit 1
[[ -n $dry ]] || mkdir -p "$out"

# What gpu-pack.sh packed, where it was carried here.
for archive in gpu-pack-1.tar gpu-pack-2.tar gpu-pack-3.tar; do
  [[ -n $dry || ! -f $archive ]] || { tar xf "$archive" && rm "$archive"; }
done
[[ -n $dry || ! -f $pack/tools.tar.xz ]] || { tar xJf "$pack/tools.tar.xz" -C "$pack" && rm "$pack/tools.tar.xz"; }

# Seconds of 12 minutes; eleven twelfths of the time are shared by the parts that are asked for.
declare -A share=([a]=20 [b]=90 [c]=50 [d]=80 [e]=60 [f]=60 [g]=60 [h]=240)
declare -A names=([a]=machine [b]=build [c]=suite,goldens [d]=steps [e]=opponent [f]=layers [g]=sanitizer [h]=recipe)
total=0 passed=0 started=$SECONDS suite=ok
for letter in a b c d e f g h; do [[ $parts != *$letter* ]] || total=$((total + share[$letter])); done
# Seconds that a part may run until its share, and those of all before it, are used up.
left() { echo $((started + minutes * 55 * passed / total - SECONDS)); }

check() { scripts/gpu-check.sh --out "$out" --pack "$pack" --part "$1" --seconds "$2" $emulator $dry "${rest[@]}"; }

# value NAME DEFAULT: an option among those for gpu-check.sh
value() {
  local i
  for ((i = 0; i + 1 < ${#rest[@]}; ++i)); do [[ ${rest[i]} != "--$1" ]] || { echo "${rest[i + 1]}"; return; }; done
  echo "$2"
}

recipe() {
  local seconds=$1 node dataset_folder epochs sets=()
  node=$(value node "$([[ -x $pack/node ]] && echo "$pack/node" || echo node)")
  # shellcheck source=scripts/gpu/steps.sh
  source "$here/gpu/steps.sh"
  deadline=$((SECONDS + seconds))
  dataset_folder=${data:-$out/data}
  if [[ -z $data && ( -n $dry || ! -f $dataset_folder/cifar-100-binary/train.bin ) ]]; then
    PATH=$pack/djxl:$PATH step "unpack CIFAR-100" 60 "$node" "$pack/data/unpack.mjs" "$dataset_folder" cifar-100 || return
  fi
  # Three quarters of what is left for epochs: evaluation, conversion and checkpoints want their part.
  local share=$(((deadline - SECONDS) * 3 / 4))
  read -ra epochs <<<"$(python3 scripts/gpu/table.py "$out" --epochs "$share" 2>/dev/null || echo 2 2)"
  [[ -z $emulator ]] || epochs=(1 1)
  sets=(--set "ann.epochs=${epochs[0]}" --set "snn.epochs=${epochs[1]}")
  [[ -z $emulator ]] || sets+=(--preset vgg6 --set model.width=0.05 --set 'model.hidden=[16]' --set dataset.trainCount=48 --set dataset.testCount=16
    --set convert.images=16 --set energy.images=16 --set ann.batch=16 --set snn.batch=16 --set evaluation.batch=16)
  step recipe "$seconds" scripts/gpu-train.sh --data "$dataset_folder" --dataset cifar100 --preset "$preset" --out "$out/run" --node "$node" \
    --command "$pack/js/lib/cli/main.js" --seconds $((deadline - SECONDS - 15)) "${sets[@]}" --json
}

for letter in a b c d e f g h; do
  [[ $parts = *$letter* ]] || continue
  passed=$((passed + share[$letter]))
  limit=$(left)
  echo "== $letter ${names[$letter]}, until $((SECONDS - started + limit)) s"
  if [[ $letter = h ]]; then
    if [[ $suite = FAILED ]]; then echo "left out: the suite failed"; else recipe "$limit"; fi
  elif [[ $suite = FAILED && $letter =~ [df] ]]; then
    [[ $letter = f ]] || check bisect "$limit"
  else
    check "${names[$letter]}" "$limit" || { [[ $letter != c ]] || suite=FAILED; }
  fi
done
[[ -z $dry ]] || exit 0
python3 scripts/gpu/table.py "$out" >"$out/report.md" && cat "$out/report.md"
[[ $suite = ok ]]
