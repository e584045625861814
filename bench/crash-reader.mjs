// A reader for bench/crash.ts: reads generations of a volume until its input ends, and prints
// what it saw as JSON.
import { readFileSync, readlinkSync, statfsSync } from 'node:fs'
import path from 'node:path'

const [root, keys] = [process.argv[2], Number(process.argv[3])]
const seen = { reads: 0, sets: 0, torn: 0, replaced: 0, failures: {}, slow: [] }
const state = { over: false }
process.stdin.on('end', () => (state.over = true)).resume()

/** A call, timed: what takes over 4 ms may be a stall. */
function timed(call) {
  const from = Date.now()
  const start = performance.now()
  try {
    seen.reads++
    return call()
  } finally {
    const took = performance.now() - start
    if (took > 4) seen.slow.push([from, took])
  }
}

function readSet() {
  const pinned = timed(() => readlinkSync(path.join(root, '..data')))
  const values = new Set()
  try {
    for (let key = 0; key < keys; key++)
      values.add(
        timed(() =>
          readFileSync(path.join(root, pinned, `key-${key}`), 'utf8'),
        ),
      )
  } catch (error) {
    if (
      error.code === 'ENOENT' &&
      readlinkSync(path.join(root, '..data')) !== pinned
    ) {
      seen.replaced++
      return
    }
    throw error
  }
  seen.sets++
  if (values.size !== 1) seen.torn++
}

while (!state.over) {
  try {
    readSet()
    timed(() => statfsSync(root)) // never cached
  } catch (error) {
    seen.failures[error.code] = (seen.failures[error.code] ?? 0) + 1
  }
  await new Promise(resolve => setTimeout(resolve, 1))
}
process.stdout.write(JSON.stringify(seen))
