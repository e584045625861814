/** So long one piece of work may keep the others waiting. */
const turnMs = 10

/**
 * Does work that yields where it may be interrupted, and lets all else that is due go first, a
 * signal or a request, whenever 10 ms are over.
 */
export async function inTurns<T>(work: Generator<undefined, T>): Promise<T> {
  for (let began = performance.now(); ;) {
    const step = work.next()
    if (step.done === true) return step.value
    if (performance.now() - began < turnMs) continue
    await new Promise(resolve => setImmediate(resolve))
    began = performance.now()
  }
}

/** Does it at once. */
export function atOnce<T>(work: Generator<undefined, T>): T {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}
