# Sourced by scripts/gpu-check.sh: one function per part, over its options and the functions of steps.sh.

part_machine() {
  local gpu
  if [[ -z $dry ]]; then
    gpu=$(nvidia-smi -i "$device" --query-gpu=name,driver_version,memory.total,compute_cap,clocks.max.sm --format=csv,noheader 2>/dev/null) || gpu=''
    printf '{"machine": %s, "date": "%s", "compiler": %s, "cores": %d}\n' "$(quoted "${gpu:-no GPU (nvidia-smi does not answer)}")" \
      "$(date -u +%Y-%m-%d)" "$(quoted "$(nvcc --version 2>/dev/null | tail -n 2 | head -n 1)")" "$(nproc)" >>"$out/results.jsonl"
    echo "machine  ${gpu:-no GPU}"
  fi
  if [[ -n $dry ]] || "$python" -c 'import torch; assert torch.cuda.is_available()' >/dev/null 2>&1; then step peak 60 "$python" bench/pytorch-peak.py
  else note skipped peak 0 "$python has no PyTorch that sees a GPU: no roofline"; fi
}

# Folders with the headers of Node-API, for the addon.
node_headers() {
  local folder
  for folder in "$pack/headers" "$root/node_modules"; do
    [[ ! -f $folder/node-addon-api/napi.h ]] || { printf '%s;%s' "$folder/node-api-headers/include" "$folder/node-addon-api"; return; }
  done
}

part_build() {
  if [[ -n $packed ]]; then note ok build 0 "packed: $build"; return; fi
  local options=(-DCMAKE_BUILD_TYPE=Release) targets=(native_tests native_bench cuda_bench) headers
  [[ -z $arch ]] || options+=("-DONESPIKE_CUDA_ARCHITECTURES=$arch")
  [[ -z $highway ]] || options+=("-DHIGHWAY_INCLUDE_DIR=$highway")
  [[ -z $emulator ]] || options+=(-DONESPIKE_CUDA=EMULATED)
  headers=$(node_headers)
  if [[ -n $headers ]]; then
    options+=("-DCMAKE_JS_INC=$headers" "-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=$package/build/Release")
    targets+=(onespike)
  else note skipped "addon" 0 "no headers of Node-API in $pack or node_modules"; fi
  step configure 60 cmake -S . -B "$build" "${options[@]}" || return
  if [[ -z $dry ]] && ! grep -q 'CUDA backend: built' "$(log_of configure)"; then
    note FAILED cuda 0 "$(grep 'CUDA backend:' "$(log_of configure)")"
    return
  fi
  # All at once, so that no core waits at the end of one target for the next.
  step build 500 cmake --build "$build" --parallel "$(nproc)" --target "${targets[@]}"
}

# built PROGRAM: says so where it is not.
built() {
  [[ -n $dry || -x $build/$1 ]] || { note skipped "$2" 0 "$1 was not built"; return 1; }
}

part_suite() {
  built native_tests suite || return
  if [[ -n $emulator ]]; then
    step "kernels" 300 "$build/native_tests" "tensor cores: weight"
    step "suite" 300 "$build/native_tests" "optimizer adamw, CUDA" "images of a batch do not see each other, CUDA"
    return
  fi
  step "kernels" 60 "$build/native_tests" "tensor cores" "beside tensor cores"
  step "suite" 300 scripts/gpu/suite.sh "$build/native_tests" "$(nproc)" ", CUDA"
}

part_goldens() {
  local run
  for run in "$pack/js/test/golden/run.js" "$build/js/test/golden/run.js"; do [[ ! -f $run ]] || break; done
  if [[ -z $dry && ! -f $run ]]; then note skipped goldens 0 "no compiled goldens in $pack (gpu-pack.sh makes them)"; return; fi
  have "$node" || { note skipped goldens 0 "no Node.js"; return; }
  step goldens 60 "$node" "$run" --cases test/golden/cases --backend cuda
}

# Best value first: each model and mode in mixed precision, then VGG-16 once more in fp32.
part_steps() {
  local model mode list=${batches// /,} iterations=(48 16)
  built native_bench steps || return
  [[ -z $emulator ]] || iterations=(2 1)
  timed() {
    step "onespike $1 $2 $3" 60 "$build/native_bench" "$1" "$2" 64 5 0.12 2 "$3" "${iterations[0]}" --batches "$4" --backend cuda --warmup "${iterations[1]}" --json
  }
  for model in $models; do
    for mode in train infer; do timed "$model" "$mode" mixed "$list"; done
  done
  read -ra sizes <<<"$batches"
  for mode in train infer; do timed "${models%% *}" "$mode" fp32 "${sizes[0]},${sizes[$((${#sizes[@]} / 2))]}"; done
}

# The variants that may win first: bfloat16 plain, then compiled; fp32 last. Plain ones try every batch, compiled ones
# the middle and the last.
part_opponent() {
  local model mode run few
  if [[ -z $reference ]]; then note skipped PyTorch 0 "no --reference"; return; fi
  if [[ -z $dry ]] && ! "$python" -c 'import torch; assert torch.cuda.is_available()' >/dev/null 2>&1; then
    note skipped PyTorch 0 "$python has no PyTorch that sees a GPU"
    return
  fi
  read -ra sizes <<<"$batches"
  few=$(printf '%s\n' "${sizes[$((${#sizes[@]} / 2))]}" "${sizes[-1]}" | uniq | paste -sd,)
  opponent() {
    local name=$1
    shift
    step "PyTorch $name" 120 "${run[@]}" "$@"
  }
  for model in $models; do
    for mode in train infer; do
      run=("$python" bench/pytorch-snn.py "$reference" "$model" "$mode" --device cuda --warmup 3 --iterations 10)
      opponent "$model $mode bfloat16" --batches "${batches// /,}" --dtype bfloat16
      opponent "$model $mode float32" --batches "$few"
    done
    for mode in infer train; do
      run=("$python" bench/pytorch-snn.py "$reference" "$model" "$mode" --device cuda --warmup 3 --iterations 10)
      opponent "$model $mode bfloat16 compiled" --batches "$few" --dtype bfloat16 --compile
      opponent "$model $mode float32 compiled" --batches "${sizes[$((${#sizes[@]} / 2))]}" --compile
    done
  done
}

part_layers() {
  local small=()
  built cuda_bench layers || return
  [[ -z $emulator ]] || small=(--small --batch 2)
  step "kernels by layer" 120 "$build/cuda_bench" --layers --json "${small[@]}"
  # Both kernels where one is chosen by density: where their times cross belongs into native/cuda/choice/crossing.h.
  step "events or dense" 120 "$build/cuda_bench" --crossing --json "${small[@]}"
}

# A few tests that meet every kernel: each tool slows them down ten to a hundred times.
sanitized=("tensor cores" "every surrogate and encoder, CUDA" "random networks in mixed precision 1, CUDA" "random ANNs 1, CUDA"
  "adamw with amsgrad" "calibration of odd shapes, CUDA" "drawn by the network equals batch drawn for it, CUDA")

part_sanitizer() {
  local tool
  built native_tests sanitizer || return
  if [[ -n $emulator ]]; then note skipped sanitizer 0 "nothing for it on the emulator"; return; fi
  have compute-sanitizer || { note skipped sanitizer 0 "compute-sanitizer is not there (CUDA toolkit, cuda-sanitizer)"; return; }
  for tool in memcheck racecheck; do
    step "$tool" 150 compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/native_tests" "${sanitized[@]}"
  done
}

# Which test, which launch, which kernel: docs/design/cuda.md, "If the suite fails", says what each answer means.
part_bisect() {
  local failed=() name tool
  built native_tests bisect || return
  if [[ -n $dry ]]; then failed=("NAME OF A TEST THAT FAILED")
  else mapfile -t failed < <(cat "$(log_of kernels)" "$(log_of suite)" 2>/dev/null | sed -n 's/^FAIL \(.*\) ([0-9.]* s)$/\1/p' | head -n 12); fi
  if ((${#failed[@]} == 0)); then note skipped bisect 0 "no test failed"; return; fi
  for name in "${failed[@]}"; do step "alone: $name" 30 "$build/native_tests" "$name"; done
  step "one launch at a time" 60 env CUDA_LAUNCH_BLOCKING=1 "$build/native_tests" "${failed[@]}"
  for tool in memcheck initcheck synccheck racecheck; do
    have compute-sanitizer && step "bisect $tool" 60 compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/native_tests" "${failed[0]}"
  done
  [[ -z $emulator ]] || return 0
  step "configure without optimisation" 60 cmake -S . -B "$build-plain" -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CUDA_FLAGS=-Xptxas -O0" ${arch:+"-DONESPIKE_CUDA_ARCHITECTURES=$arch"} ${highway:+"-DHIGHWAY_INCLUDE_DIR=$highway"} &&
    step "build without optimisation" 200 cmake --build "$build-plain" --parallel "$(nproc)" --target native_tests &&
    step "without optimisation" 60 "$build-plain/native_tests" "${failed[@]}"
}
