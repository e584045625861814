/**
 * For work that nobody waits for and that takes care of its own failures. One that comes out of it
 * all the same is a defect of podfs: it goes where all of them go, see `onDefect`. Lint allows no
 * other promise without somebody who waits or a `catch`.
 */
export function inBackground(work: Promise<unknown>): void {
  // oxlint-disable-next-line typescript/no-floating-promises, no-unused-expressions
  work
}
