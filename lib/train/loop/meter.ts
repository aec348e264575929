/** Says when it is time for the next progress report. */
export class Meter {
  private last = performance.now();

  constructor(private readonly seconds: number) {}

  /** True at most once in `seconds`. */
  due(): boolean {
    const now = performance.now();
    if (now - this.last < this.seconds * 1000) return false;
    this.last = now;
    return true;
  }
}
