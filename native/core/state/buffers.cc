#include "core/state/buffers.h"

namespace onespike {

Status out_of_memory(int64_t images, const std::function<int64_t(int64_t images)>& bytes, int64_t free_bytes) {
  std::string message = "Not enough memory for a batch of " + std::to_string(images) + " images: its buffers take " +
                        std::to_string(bytes(images)) + " bytes";
  if (free_bytes >= 0) {
    int64_t fits = 0, beyond = images;
    while (beyond - fits > 1) {
      const int64_t middle = fits + (beyond - fits) / 2;
      (bytes(middle) <= free_bytes ? fits : beyond) = middle;
    }
    message += " and " + std::to_string(free_bytes) + " are free; ";
    message += fits > 0 ? "the largest batch that fits has " + std::to_string(fits) : "not one image fits";
  }
  return Status::error(Code::kOom, message);
}

}  // namespace onespike
