// When progress events and checkpoints are due.
import { Interval } from '../../lib/train/loop/progress';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

test('an interval is due when its period has passed, once, and the next one begins there', () => {
  const interval = new Interval(5);
  expect(interval.due()).toBe(false);
  jest.advanceTimersByTime(4999);
  expect(interval.due()).toBe(false);
  jest.advanceTimersByTime(1);
  expect([interval.due(), interval.due()]).toEqual([true, false]);
  // Late by three periods it is due once, not four times.
  jest.advanceTimersByTime(20_000);
  expect([interval.due(), interval.due()]).toEqual([true, false]);
  jest.advanceTimersByTime(5000);
  expect(interval.due()).toBe(true);
});

test('an interval of no length is always due', () => {
  const interval = new Interval(0);
  expect([interval.due(), interval.due()]).toEqual([true, true]);
});
