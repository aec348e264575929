// The passes over spike-time bytes and events that build event lists.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/events/fill_list.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <algorithm>

#include "cpu/events/event_lists.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D32 = hn::CappedTag<uint32_t, kLane>;
constexpr D32 d32;
constexpr int kLanes = int(hn::MaxLanes(D32()));
constexpr int kBlock = 1024;  // events that are placed together

void CountSteps(const uint8_t* HWY_RESTRICT times, int64_t count, int timesteps, uint32_t* HWY_RESTRICT counts,
                int64_t stride) {
  const hn::CappedTag<uint8_t, 64> d8;
  const int64_t lanes = int64_t(hn::Lanes(d8));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto bytes = hn::LoadU(d8, times + i);
    for (int t = 1; t <= timesteps; ++t)
      counts[(t - 1) * stride] += uint32_t(hn::CountTrue(d8, hn::Eq(bytes, hn::Set(d8, uint8_t(t)))));
  }
  for (; i < count; ++i)
    if (times[i]) ++counts[(times[i] - 1) * stride];
}

int64_t CountFired(const uint8_t* HWY_RESTRICT times, int64_t count) {
  const hn::CappedTag<uint8_t, 64> d8;
  const int64_t lanes = int64_t(hn::Lanes(d8));
  int64_t silent = 0, i = 0;
  for (; i + lanes <= count; i += lanes)
    silent += int64_t(hn::CountTrue(d8, hn::Eq(hn::LoadU(d8, times + i), hn::Zero(d8))));
  for (; i < count; ++i) silent += times[i] == 0;
  return count - silent;
}

uint32_t FindEvents(uint32_t* HWY_RESTRICT found, const uint8_t* HWY_RESTRICT times, int64_t count, uint32_t id) {
  const hn::Rebind<uint8_t, D32> d8;
  uint32_t* HWY_RESTRICT to = found;
  // Iota of a variable is sixteen scalar stores and a load that waits for them.
  auto shifted = hn::ShiftLeft<8>(hn::Add(hn::Iota(d32, 0), hn::Set(d32, id)));
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const auto step = hn::PromoteTo(d32, hn::LoadU(d8, times + i));
    const auto fired = hn::Ne(step, hn::Zero(d32));
    // Compressing in a register: AMD's Zen 4 takes some hundred cycles to compress into memory.
    hn::StoreU(hn::Compress(hn::Or(shifted, step), fired), d32, to);
    to += hn::CountTrue(d32, fired);
    shifted = hn::Add(shifted, hn::Set(d32, uint32_t(kLanes) << 8));
  }
  for (; i < count; ++i)
    if (times[i]) *to++ = (id + uint32_t(i)) << 8 | times[i];
  return uint32_t(to - found);
}

void CountPooledSteps(const uint8_t* HWY_RESTRICT upper, const uint8_t* HWY_RESTRICT lower, int64_t cs, int timesteps,
                      uint32_t* HWY_RESTRICT counts, int64_t stride) {
  const hn::CappedTag<uint8_t, 64> wide;
  const hn::CappedTag<uint8_t, kLane> narrow;  // divides every channel count
  const auto count = [&](auto d8, int64_t c) HWY_ATTR {
    const auto a = hn::LoadU(d8, upper + c), b = hn::LoadU(d8, upper + cs + c), e = hn::LoadU(d8, lower + c),
               f = hn::LoadU(d8, lower + cs + c);
    for (int t = 1; t <= timesteps; ++t) {
      const auto step = hn::Set(d8, uint8_t(t));
      const auto any = hn::Or(hn::Or(hn::Eq(a, step), hn::Eq(b, step)), hn::Or(hn::Eq(e, step), hn::Eq(f, step)));
      counts[(t - 1) * stride] += uint32_t(hn::CountTrue(d8, any));
    }
  };
  int64_t c = 0;
  for (; c + int64_t(hn::Lanes(wide)) <= cs; c += int64_t(hn::Lanes(wide))) count(wide, c);
  for (; c < cs; c += int64_t(hn::Lanes(narrow))) count(narrow, c);
}

uint32_t FindPooledEvents(uint32_t* HWY_RESTRICT found, const uint8_t* HWY_RESTRICT upper,
                          const uint8_t* HWY_RESTRICT lower, int64_t cs, uint32_t id) {
  const hn::Rebind<uint8_t, D32> d8;
  uint32_t* HWY_RESTRICT to = found;
  auto shifted = hn::ShiftLeft<8>(hn::Add(hn::Iota(d32, 0), hn::Set(d32, id)));
  const auto zero = hn::Zero(d32), more = hn::Set(d32, kCountUnit << 8);
  for (int64_t c = 0; c < cs; c += kLanes) {
    const auto child = [&](const uint8_t* at) HWY_ATTR { return hn::PromoteTo(d32, hn::LoadU(d8, at + c)); };
    const auto t0 = child(upper), t1 = child(upper + cs), t2 = child(lower), t3 = child(lower + cs);
    const auto same01 = hn::Eq(t0, t1), same02 = hn::Eq(t0, t2), same03 = hn::Eq(t0, t3), same12 = hn::Eq(t1, t2),
               same13 = hn::Eq(t1, t3), same23 = hn::Eq(t2, t3);
    // The first child of a step speaks for the later ones.
    const auto put = [&](auto fired, auto step, auto others) HWY_ATTR {
      hn::StoreU(hn::Compress(hn::Or(hn::Add(shifted, others), step), fired), d32, to);
      to += hn::CountTrue(d32, fired);
    };
    const auto one = [&](auto same) HWY_ATTR { return hn::IfThenElseZero(same, more); };
    put(hn::Ne(t0, zero), t0, hn::Add(one(same01), hn::Add(one(same02), one(same03))));
    put(hn::AndNot(same01, hn::Ne(t1, zero)), t1, hn::Add(one(same12), one(same13)));
    put(hn::AndNot(hn::Or(same02, same12), hn::Ne(t2, zero)), t2, one(same23));
    put(hn::AndNot(hn::Or(same03, hn::Or(same13, same23)), hn::Ne(t3, zero)), t3, zero);
    shifted = hn::Add(shifted, hn::Set(d32, uint32_t(kLanes) << 8));
  }
  return uint32_t(to - found);
}

// Sorts events[0 .. count) behind those placed before.
HWY_INLINE void place(uint32_t* HWY_RESTRICT ids, uint32_t* HWY_RESTRICT next, uint32_t* HWY_RESTRICT events, int count,
                      int timesteps) {
  hn::StoreU(hn::Zero(d32), d32, events + count);  // step 0 is no step
  for (int t = 1; t <= timesteps; ++t) {
    uint32_t* HWY_RESTRICT to = ids + next[t];
    for (int i = 0; i < count; i += kLanes) {
      const auto event = hn::LoadU(d32, events + i);
      const auto now = hn::Eq(hn::And(event, hn::Set(d32, 0xffu)), hn::Set(d32, uint32_t(t)));
      hn::StoreU(hn::Compress(hn::ShiftRight<8>(event), now), d32, to);
      to += hn::CountTrue(d32, now);
    }
    next[t] = uint32_t(to - ids);
  }
}

void FillList(const ListTask& task, uint32_t* next) {
  HWY_ALIGN uint32_t events[kBlock + 2 * kLane];
  int count = 0;
  for (int x = 0; x < task.columns; ++x)
    for (int r = 0; r < task.rows; ++r) {
      const uint32_t* HWY_RESTRICT found = task.found[r];
      const auto base = hn::Set(d32, (task.first_id + uint32_t(r) * task.row_ids) << 8);
      for (uint32_t i = task.starts[r][x], end = task.starts[r][x + 1]; i < end; i += kLanes) {
        if (count > kBlock) place(task.ids, next, events, count, task.timesteps), count = 0;
        hn::StoreU(hn::Add(base, hn::LoadU(d32, found + i)), d32, events + count);
        count += int(std::min<uint32_t>(kLanes, end - i));
      }
    }
  place(task.ids, next, events, count, task.timesteps);
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(CountSteps);
HWY_EXPORT(CountFired);
HWY_EXPORT(FindEvents);
HWY_EXPORT(CountPooledSteps);
HWY_EXPORT(FindPooledEvents);
HWY_EXPORT(FillList);
void count_steps(const uint8_t* times, int64_t count, int timesteps, uint32_t* counts, int64_t stride) {
  HWY_DYNAMIC_DISPATCH(CountSteps)(times, count, timesteps, counts, stride);
}
int64_t count_fired(const uint8_t* times, int64_t count) { return HWY_DYNAMIC_DISPATCH(CountFired)(times, count); }
uint32_t find_events(uint32_t* found, const uint8_t* times, int64_t count, uint32_t id) {
  return HWY_DYNAMIC_DISPATCH(FindEvents)(found, times, count, id);
}
void count_pooled_steps(const uint8_t* upper, const uint8_t* lower, int64_t cs, int timesteps, uint32_t* counts,
                        int64_t stride) {
  HWY_DYNAMIC_DISPATCH(CountPooledSteps)(upper, lower, cs, timesteps, counts, stride);
}
uint32_t find_pooled_events(uint32_t* found, const uint8_t* upper, const uint8_t* lower, int64_t cs, uint32_t id) {
  return HWY_DYNAMIC_DISPATCH(FindPooledEvents)(found, upper, lower, cs, id);
}
void fill_list(const ListTask& task, uint32_t* next) { HWY_DYNAMIC_DISPATCH(FillList)(task, next); }
}  // namespace onespike::cpu
#endif
