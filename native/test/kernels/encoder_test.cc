// The entries of ops/encoders.h against the oracle, which says the same for a whole input (T, C, H, W).
#include <cmath>
#include <set>

#include "ops/encoders.h"
#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

// One channel that holds every byte once.
Case every_byte(Encoder encoder, int timesteps, double lo, double hi) {
  Case c{network_spec(1, 16, 16, timesteps, {output(2)}), {}, {}, {}};
  c.spec.encoder = encoder, c.spec.lo = lo, c.spec.hi = hi;
  for (int p = 0; p < 256; ++p) c.pixels.push_back(uint8_t(p));
  c.labels = {0};
  return c;
}

std::vector<int> steps_of(Encoder encoder) {
  return encoder == Encoder::kRadix ? std::vector{1, 2, 3, 5, 8} : std::vector{1, 2, 3, 5, 16, 254};
}

// The input that an entry describes, as the oracle lays it out.
oracle::Values described(const Case& c) {
  const EncoderEntry entry = encoder_entry(c.spec.encoder);
  const int T = c.spec.timesteps;
  oracle::Values x(size_t(T) * 256, 0.0);
  for (int p = 0; p < 256; ++p) {
    for (int t = 1; t <= entry.analog_steps(T); ++t)
      x[(t - 1) * 256 + p] = analog_value(uint8_t(p), c.spec.mean[0], c.spec.std[0]);
    const int time = spike_time(entry, uint8_t(p), T, c.spec.lo, c.spec.hi);
    if (time > 0) x[(time - 1) * 256 + p] = 1.0;
    if (entry.events != InputEvents::kPowers) continue;
    PowerCode code(c.spec.encoder, uint8_t(p), T);
    for (int t = 0; t < T; ++t)
      if (const int8_t event = code.next()) x[t * 256 + p] = event_value(event) * event_unit(c.spec.encoder, T);
  }
  return x;
}

void entries_equal_oracle() {
  for (Encoder encoder : kEncoders) {
    if (encoder_entry(encoder).random()) continue;
    for (int T : steps_of(encoder))
      for (const auto& [lo, hi] : {std::pair(0.0, 1.0), std::pair(0.2, 0.6), std::pair(-3.0, 0.5)}) {
        const Case c = every_byte(encoder, T, lo, hi);
        const oracle::Values expected = oracle::encode(c.spec, Mode::kSnn, c.batch()), value = described(c);
        for (size_t i = 0; i < value.size(); ++i)
          if (std::fabs(value[i] - expected[i]) > 1e-6)
            expect_near(value[i], expected[i], 0, 1e-6,
                        c.text() + " step " + std::to_string(i / 256 + 1) + " byte " + std::to_string(i % 256));
      }
  }
}

void counts_equal_oracle() {
  for (Encoder encoder : kEncoders) {
    const EncoderEntry entry = encoder_entry(encoder);
    if (entry.random()) continue;
    for (int T : steps_of(encoder)) {
      Case c = every_byte(encoder, T, 0.1, 0.8);
      c.spec.mean = {100.0f}, c.spec.std = {1.0f};  // no analog value looks like a spike
      const oracle::Values x = oracle::encode(c.spec, Mode::kSnn, c.batch());
      for (int p = 0; p < 256; ++p) {
        int events = 0, analog = 0;
        for (int t = 0; t < T; ++t) events += x[t * 256 + p] > 0.0, analog += x[t * 256 + p] < 0.0;
        const std::string at = c.text() + " byte " + std::to_string(p);
        expect(event_count(encoder, uint8_t(p), 100, 1, T, 0.1, 0.8) == events, "events, " + at);
        expect(entry.analog_steps(T) == analog, "analog steps, " + at);
      }
    }
  }
}

// The number that a random encoder is expected to send is the mean of what it draws.
void expected_count() {
  const int T = 4, draws = 4000;
  for (int p : {0, 90, 128, 200, 255}) {
    const float x = analog_value(uint8_t(p), 0.5f, 0.6f);
    const Rng rng = rate_rng(1, 2, p);
    int events = 0;
    for (uint64_t i = 0; i < uint64_t(draws) * T; ++i) events += rate_spike(rng, i, x) != 0;
    expect_near(double(events) / draws, event_count(Encoder::kRate, uint8_t(p), 0.5f, 0.6f, T, 0, 1), 0, 0.05,
                "events of byte " + std::to_string(p));
  }
  expect(event_count(Encoder::kRate, 255, 0.0f, 0.1f, T, 0, 1) == T, "never more than one a step");
}

void times_fall() {
  const EncoderEntry hybrid = encoder_entry(Encoder::kHybrid), ttfs = encoder_entry(Encoder::kTtfs);
  for (int T : {2, 3, 5, 16, 254})
    for (int p = 0; p < 256; ++p) {
      const int late = spike_time(hybrid, uint8_t(p), T, 0, 1), early = spike_time(ttfs, uint8_t(p), T, 0.2, 0.6);
      expect(late >= 2 && late <= T, "hybrid time " + std::to_string(late) + " of T = " + std::to_string(T));
      expect(early >= 1 && early <= T, "first-spike time " + std::to_string(early) + " of T = " + std::to_string(T));
      if (p > 0) expect(late <= spike_time(hybrid, uint8_t(p - 1), T, 0, 1), "brighter is earlier");
    }
  expect(spike_time(hybrid, 255, 5, 0, 1) == 2 && spike_time(hybrid, 0, 5, 0, 1) == 5, "the ends of the range");
  expect(spike_time(hybrid, 51, 5, 0.2, 0.6) == 5 && spike_time(hybrid, 153, 5, 0.2, 0.6) == 2,
         "the ends of a configured range");
  expect(hybrid.events_in(1) == InputEvents::kNone && spike_time(hybrid, 200, 1, 0, 1) == 0,
         "one step leaves the hybrid encoder its analog value alone");
}

void names() {
  std::set<std::string> all;
  for (Encoder encoder : kEncoders) all.insert(encoder_entry(encoder).name);
  expect(all.size() == std::size(kEncoders), "every encoder has a name of its own");
  all.clear();
  for (Surrogate kind : kSurrogates) all.insert(surrogate_name(kind));
  expect(all.size() == std::size(kSurrogates), "every surrogate has a name of its own");
}

}  // namespace

void add_encoder_tests(Tests& tests) {
  tests.push_back({"encoder entries describe the oracle's input", entries_equal_oracle});
  tests.push_back({"encoder entries count events and analog steps", counts_equal_oracle});
  tests.push_back({"encoder entries expect as many random events as are drawn", expected_count});
  tests.push_back({"encoder times stay in range and fall with brightness", times_fall});
  tests.push_back({"encoder entries and surrogates have names of their own", names});
}

}  // namespace onespike::test
