// The events of a byte map one by one, and counting sort: what the sorts by step and by channel share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/backend/backend.h"
#include "cpu/events/event_lists.h"
#include "ops/encoders.h"

namespace onespike::cpu {

constexpr int kFindAtOnce = 256;  // bytes that are searched together

// Calls f(column, channel, step, value) for every event of pooled row `py` of image `image`, columns ascending.
template <class F>
inline void each_event(const SpikeSource& source, int64_t image, int py, int timesteps, const StageShape& s,
                       const F& f) {
  for (int px = 0; px < s.in_w; ++px)
    for (int i = 0; i < s.pool; ++i) {
      const int64_t row = py * s.pool + i;
      for (int j = 0; j < s.pool; ++j) {
        const int64_t cell = (row * s.src_w + px * s.pool + j) * s.src_cs;
        if (source.values) {
          for (int t = 1; t <= timesteps; ++t) {
            const int8_t* at = source.values + (image * timesteps + t - 1) * s.src_size() + cell;
            for (int c = 0; c < s.src_cs; ++c)
              if (at[c]) f(px, c, t, event_value(at[c]));
          }
          continue;
        }
        const uint8_t* at = source.times + image * s.src_size() + cell;
        // Found in vectors: a test of every byte, or of every eight, ends in a mispredicted branch per event.
        uint32_t found[kFindAtOnce + kListSlack];
        for (int first = 0; first < s.src_cs; first += kFindAtOnce) {
          const uint32_t count =
              find_events(found, at + first, std::min(kFindAtOnce, s.src_cs - first), uint32_t(first));
          for (uint32_t k = 0; k < count; ++k) f(px, int(found[k] >> 8), int(found[k] & 0xff), 1.0f);
        }
      }
    }
}

// Turns counts into positions: starts[i] becomes the sum of the counts before i.
inline void exclusive_sum(uint32_t* starts, int64_t count) {
  uint32_t sum = 0;
  for (int64_t i = 0; i <= count; ++i) {
    const uint32_t here = i < count ? starts[i] : 0;
    starts[i] = sum;
    sum += here;
  }
}

// Positions that a placing pass moved forward: back to where they started.
inline void restore_starts(uint32_t* starts, int64_t count) {
  for (int64_t i = count; i > 0; --i) starts[i] = starts[i - 1];
  starts[0] = 0;
}

}  // namespace onespike::cpu
