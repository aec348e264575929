#!/usr/bin/env bash
# Registers, shared memory and spills of every CUDA kernel, as ptxas reports them. Needs nvcc and no GPU.
#   scripts/cuda-registers.sh [ARCHITECTURE...]      default: 80 86 89 90 120
# One line per kernel and architecture; exit code 1 if a kernel spills registers or a source does not compile without
# warnings.
set -uo pipefail
cd "$(dirname "$0")/.."

architectures=("$@")
((${#architectures[@]} > 0)) || architectures=(80 86 89 90 120)
codes=()
for architecture in "${architectures[@]}"; do codes+=("-gencode=arch=compute_$architecture,code=sm_$architecture"); done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
printf '%-5s %9s %7s %7s  %s\n' arch registers shared spilled kernel
for source in native/cuda/*.cu native/cuda/*/*.cu; do
  log=$folder/$(basename "$source").log
  # As CMakeLists.txt compiles them.
  if ! nvcc -std=c++20 -O3 -fmad=false "${codes[@]}" -Inative -DONESPIKE_CUDA_BUILT_FOR='""' -Xptxas -v -Werror all-warnings \
      -Xcompiler=-Wall,-Wextra,-Wno-unused-parameter,-Werror -c "$source" -o "$folder/object.o" >"$log" 2>&1; then
    grep -iE 'error|warning' "$log" | head -5 >&2
    echo "$source does not compile without warnings" >&2
    failed=1
  fi
  # Three lines per kernel: its name and architecture, its spills, its registers and static shared memory.
  awk '
    /Compiling entry function/ { split($0, part, "\047"); name = part[2]; arch = part[4]; sub("sm_", "", arch) }
    /bytes spill stores/ { for (i = 2; i <= NF; ++i) if ($i == "spill" && $(i + 1) ~ /^stores/) spilled = $(i - 2) + $(i + 3) }
    /: Used [0-9]+ registers/ {
      shared = 0
      for (i = 2; i <= NF; ++i) { if ($i == "registers,") registers = $(i - 1); if ($i ~ /^smem/) shared = $(i - 2) }
      printf "%-5s %9d %7d %7d  %s\n", arch, registers, shared, spilled, name
    }' "$log" | c++filt | sed -e 's/onespike::cuda:://g' -e 's/(anonymous namespace):://g' -e 's/(.*//' | tee -a "$folder/all"
done
spilling=$(awk '$4 > 0' "$folder/all" | wc -l)
echo "$(wc -l <"$folder/all") kernels compiled, $spilling spill registers"
exit $((failed || spilling > 0))
