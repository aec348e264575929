#!/usr/bin/env bash
# Packs what a bare machine with a GPU needs beside a checkout: no network there, no Node.js, no Highway, no data.
set -uo pipefail

usage() {
  cat <<'TEXT'
scripts/gpu-pack.sh [options]: writes gpu-pack-1.tar to gpu-pack-3.tar; run it in a checkout that is set up (npm run setup).

  gpu-pack-1.tar  Highway's headers, Node.js (stripped) and the headers of its addons, the JavaScript that trains and that reads the golden
                  files, the opponent, djxl with its libraries, the test mosaic of CIFAR-100; with --build the compiled programs
  gpu-pack-2.tar  two mosaics of its training images
  gpu-pack-3.tar  the other three

Carry them into the checkout there (in one call or, where only so much travels at a time, in several), then scripts/gpu-first-light.sh
--minutes N: it unpacks what it finds.

  --out DIR         (default: .)
  --data DIR        folder with unpack.mjs, MD5SUMS and cifar-100/: CIFAR-100 as JPEG-XL mosaics; without it there is one archive
  --build DIR       what scripts/gpu-check.sh --part build --arch LIST --build DIR compiled here: nothing is compiled there
  --reference FILE  single_spike.py, the opponent
  --node NODE       that is packed (default: the running one)
  --djxl FILE       (default: that of the PATH; Debian and Ubuntu: libjxl-tools)
  --highway DIR     folder that holds hwy/highway.h (default: /usr/include)
  --rehearse DIR    afterwards: checkout and archives into DIR, which must be empty, and there gpu-first-light.sh with the emulator in the GPU's
                    place, once with --dry-run and once for --minutes
  --minutes N       of the rehearsal (default: 12)
  --dry-run         prints what would be packed
  --help
TEXT
}

out=. data='' build='' reference='' node='' djxl='' highway=/usr/include rehearse='' minutes=12 dry=''
fail_usage() { echo "gpu-pack: $1" >&2; echo "Try: scripts/gpu-pack.sh --help" >&2; exit 2; }
fail() { echo "gpu-pack: $1" >&2; exit 1; }
while (($# > 0)); do
  case $1 in
    --help) usage; exit 0 ;;
    --dry-run) dry=yes; shift ;;
    --out | --data | --build | --reference | --node | --djxl | --highway | --rehearse | --minutes) (($# > 1)) || fail_usage "Expected a value after $1"; printf -v "${1#--}" '%s' "$2"; shift 2 ;;
    *) fail_usage "Expected an option but received '$1'" ;;
  esac
done
[[ $minutes =~ ^[1-9][0-9]*$ ]] || fail_usage "Expected a number for --minutes but received '$minutes'"
[[ -z $data || -f $data/unpack.mjs ]] || fail_usage "Expected a folder with unpack.mjs for --data but received '$data'"
[[ -z $build || -x $build/native_tests ]] || fail_usage "Expected a folder with native_tests for --build but received '$build'"
[[ -z $reference || -f $reference ]] || fail_usage "Expected a file for --reference but received '$reference'"
[[ -f $highway/hwy/highway.h ]] || fail_usage "Expected a folder with hwy/highway.h for --highway but received '$highway'"
node=$(readlink -f "$(command -v "${node:-node}")") || fail_usage "Expected Node.js for --node"
djxl=$(command -v "${djxl:-djxl}") || djxl=''
[[ -n $djxl || -z $data ]] || fail "Expected djxl to pack for --data but there is none (Debian and Ubuntu: apt-get install libjxl-tools)"
out=$(realpath -m "$out")
[[ -z $build ]] || build=$(realpath -m "$build")
[[ -z $rehearse ]] || rehearse=$(realpath -m "$rehearse")
[[ -z $rehearse || ! -e $rehearse || -z $(ls -A "$rehearse") ]] || fail_usage "Expected an empty folder for --rehearse but '$rehearse' holds something"
cd "$(dirname "$0")/.." || exit 1

first_mosaics=(test) second_mosaics=(train_1 train_2) third_mosaics=(train_3 train_4 train_5)
if [[ -n $dry ]]; then
  echo "gpu-pack-1.tar: $highway/hwy, $node, lib/ and test/golden/run.ts as JavaScript${reference:+, $reference}${djxl:+, $djxl}${data:+, ${first_mosaics[*]} of $data}"
  [[ -z $build ]] || echo "gpu-pack-1.tar: programs and addon of $build"
  [[ -z $data ]] || echo "gpu-pack-2.tar: ${second_mosaics[*]} of $data"
  [[ -z $data ]] || echo "gpu-pack-3.tar: ${third_mosaics[*]} of $data"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tools=$work/tools
mkdir -p "$tools" "$work/1/gpu-pack" "$out" || exit 1

# copy_below FROM TO FIND-EXPRESSION...: files with their folders.
copy_below() {
  local from=$1 to=$2
  shift 2
  mkdir -p "$to" && (cd "$from" && find -L . -type f "$@" -print0 | tar c --null -h -T -) | tar x -C "$to" || fail "cannot copy $from"
}

echo "headers"
copy_below "$highway/hwy" "$tools/highway/hwy" -name '*.h'
copy_below node_modules/node-addon-api "$tools/headers/node-addon-api" -name '*.h'
copy_below node_modules/node-api-headers/include "$tools/headers/node-api-headers/include" -name '*.h'

echo "JavaScript"
cat >"$work/tsconfig.json" <<TEXT
{ "extends": "$PWD/tsconfig.json", "include": [], "files": ["$PWD/lib/cli/main.ts", "$PWD/test/golden/run.ts"],
  "compilerOptions": { "noEmit": false, "outDir": "$tools/js", "rootDir": "$PWD", "types": ["node"], "typeRoots": ["$PWD/node_modules/@types"] } }
TEXT
node node_modules/typescript/bin/tsc -p "$work/tsconfig.json" || fail "TypeScript does not compile"
cp package.json "$tools/package.json" || exit 1  # by which it knows its own folder
# What it loads at run time: the package's dependencies and theirs, without types, maps and documents.
modules=$(node -e '
const { packages } = require("./package-lock.json"), seen = new Set();
const visit = (name) => { const found = packages["node_modules/" + name]; if (found && !seen.has(name)) { seen.add(name); Object.keys(found.dependencies ?? {}).forEach(visit); } };
Object.keys(packages[""].dependencies).forEach(visit);
console.log([...seen].join("\n"));') || fail "cannot read package-lock.json"
for module in $modules; do copy_below "node_modules/$module" "$tools/node_modules/$module" \( -name '*.js' -o -name '*.cjs' -o -name '*.json' -o -name '*.node' \); done

echo "programs"
cp "$node" "$tools/node" && { strip "$tools/node" || true; } && chmod 755 "$tools/node" || exit 1
[[ -z $reference ]] || cp "$reference" "$tools/single_spike.py" || exit 1
if [[ -n $djxl ]]; then
  mkdir -p "$tools/djxl/lib" && cp -L "$djxl" "$tools/djxl/program" || exit 1
  # All but the C library's own, which belong to the system's loader.
  ldd "$djxl" | awk '$3 ~ /^\// && $1 !~ /^(libc|libm|libdl|librt|libpthread)\.so/ { print $3 }' | xargs -r cp -L -t "$tools/djxl/lib" || exit 1
  printf '#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\nLD_LIBRARY_PATH=$here/lib exec "$here/program" "$@"\n' >"$tools/djxl/djxl"
  chmod 755 "$tools/djxl/djxl" "$tools/djxl/program"
fi

if [[ -n $build ]]; then
  mkdir -p "$tools/bin" "$tools/build/Release" || exit 1
  for program in native_tests native_bench cuda_bench; do strip -o "$tools/bin/$program" "$build/$program" || exit 1; done
  strip -o "$tools/build/Release/onespike.node" build/Release/onespike.node || exit 1
fi

echo "archives"
# Most of it is one program: with the filter for its machine code the archive is a tenth smaller.
tar c -C "$tools" . | xz --x86 --lzma2=preset=9e,dict=128MiB -T1 >"$work/1/gpu-pack/tools.tar.xz" || exit 1
# mosaics NUMBER NAME...: with their labels; what unpacks them goes into the first.
mosaics() {
  local to=$work/$1/gpu-pack/data/cifar-100 name
  shift
  mkdir -p "$to"
  for name in "$@"; do cp "$data/cifar-100/$name.jxl" "$data/cifar-100/$name.labels" "$to" || exit 1; done
}
if [[ -n $data ]]; then
  mosaics 1 "${first_mosaics[@]}"
  cp "$data/unpack.mjs" "$data/MD5SUMS" "$work/1/gpu-pack/data" && cp "$data"/cifar-100/*.txt "$work/1/gpu-pack/data/cifar-100" || exit 1
  mosaics 2 "${second_mosaics[@]}"
  mosaics 3 "${third_mosaics[@]}"
  for number in 2 3; do tar c -C "$work/$number" -f "$out/gpu-pack-$number.tar" gpu-pack || exit 1; done
fi
tar c -C "$work/1" -f "$out/gpu-pack-1.tar" gpu-pack || exit 1
checkout() { git ls-files -co --exclude-standard -z; }
tree=$(checkout | xargs -0 cat 2>/dev/null | wc -c)
for file in "$out"/gpu-pack-[123].tar; do
  size=$(wc -c <"$file")
  awk -v size="$size" -v tree="$tree" -v file="$file" 'BEGIN { printf "%s  %.1f MiB, with the checkout %.1f MiB\n", file, size / 1048576, (size + tree) / 1048576 }'
done

[[ -n $rehearse ]] || exit 0
echo "rehearsal in $rehearse"
mkdir -p "$rehearse" && checkout | tar c --null -T - | tar x -C "$rehearse" && cp "$out"/gpu-pack-[123].tar "$rehearse" && cd "$rehearse" || exit 1
scripts/gpu-first-light.sh --minutes "$minutes" --dry-run || exit 1
# Without the tools of this machine that the other one lacks.
PATH=$(tr ':' '\n' <<<"$PATH" | grep -v node_modules | paste -sd:) scripts/gpu-first-light.sh --minutes "$minutes" --emulator
