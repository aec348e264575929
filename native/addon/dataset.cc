// Exported functions about data sets.
#include <memory>
#include <utility>

#include "addon/api.h"
#include "addon/support/check.h"
#include "addon/support/handles.h"
#include "addon/support/instance.h"

namespace onespike::addon {

// datasetCreate(pixels: Uint8Array, labels: Int32Array | null, shape: [number, number, number]): DatasetHandle
Napi::Value dataset_create(const Napi::CallbackInfo& info) {
  check_arity(info, 3, "datasetCreate");
  const Napi::Array shape = read_array(info[2], "shape", 3, 3);
  const auto side = [&shape](uint32_t i) {
    return int(read_integer(shape.Get(i), "shape[" + std::to_string(i) + "]", limits::kSide));
  };
  auto data = std::make_shared<Dataset>();
  data->channels = side(0);
  data->height = side(1);
  data->width = side(2);
  const int64_t image_size =
      checked_product(checked_product(data->channels, data->height, "shape"), data->width, "shape");

  const ArrayView<uint8_t> pixels = view_of<uint8_t>(info[0], "pixels");
  data->count = pixels.length / image_size;
  if (data->count < 1 || data->count * image_size != pixels.length || data->count > int64_t{UINT32_MAX}) {
    fail(Code::kShape, "Expected a positive multiple of " + std::to_string(image_size) +
                           " bytes (C*H*W) for pixels but received " + std::to_string(pixels.length));
  }
  data->pixels.assign(pixels.data, pixels.data + pixels.length);
  if (!is_absent(info[1])) {
    const ArrayView<int32_t> labels = view_of<int32_t>(info[1], "labels", data->count);
    data->labels.assign(labels.data, labels.data + labels.length);
    for (int64_t i = 0; i < data->count; ++i) {
      if (data->labels[i] < 0)
        fail(Code::kArg, "Expected a class >= 0 for labels[" + std::to_string(i) + "] but received " +
                             std::to_string(data->labels[i]));
    }
  }
  Instance& instance = Instance::of(info.Env());
  return make_handle(instance, std::make_shared<DatasetEntry>(std::move(data), instance.live()));
}

// datasetDispose(dataset: DatasetHandle): void
Napi::Value dataset_dispose(const Napi::CallbackInfo& info) {
  check_arity(info, 1, "datasetDispose");
  dataset_entry(Instance::of(info.Env()), info[0])->dispose(info.Env());
  return info.Env().Undefined();
}

}  // namespace onespike::addon
