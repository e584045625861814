/** So many different ones are told; one that comes again and again is told once. */
const mostTold = 100

/**
 * What this process does when a promise is rejected that nobody waits for: it tells, and goes on.
 * Node would end it, and with it every mount and every Pod, for the sake of one piece of work that
 * nobody asked about. An exception outside of promises still ends it: there is no telling what was
 * left half done.
 *
 * `tell` gets each defect once, which is where in the program it came from.
 */
export function onDefect(tell: (defect: unknown) => void): void {
  const told = new Set<string>()
  process.on('unhandledRejection', defect => {
    const place = placeOf(defect)
    if (told.has(place) || told.size >= mostTold) return
    told.add(place)
    tell(defect)
  })
}

/** Its stack without its message, which may name another file each time. */
function placeOf(defect: unknown): string {
  const { stack, message } = errorOf(defect)
  const frames = /^ +at .*$/gm
  return (stack?.match(frames) ?? [message]).join('\n')
}

/** What stands before it, wherever it is told. */
export const defectMessage = 'internal error'

/** What was thrown, as an Error. */
export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
