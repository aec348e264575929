#!/bin/sh
# What prebuildify takes for node-gyp: it calls this with node-gyp's arguments, which cmake-js would misread, so none is
# passed on. Builds into the current folder, not the checkout's build/: prebuildify moves the result away from there.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
exec node "$root/node_modules/cmake-js/bin/cmake-js" rebuild --directory "$root" --out "$PWD/build" \
  --CDONESPIKE_CUDA_ARCHITECTURES="$ONESPIKE_CUDA_ARCHITECTURES" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
