/*
 * What a process of several test files does (test/run.mjs): one after the other, each as a test
 * that has its name.
 */
import { createWriteStream, mkdirSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

let current

/** What a test file gets as `t`, while it is loaded. */
export function testOfFile() {
  return current
}

/** `files`: what loads each, by its path. What each prints is kept in the directory `results`. */
export async function runFiles(results, files) {
  for (const [file, load] of Object.entries(files))
    await t.test(file, async test => {
      current = test
      const kept = path.join(results, `${file}.tap`)
      mkdirSync(path.dirname(kept), { recursive: true })
      const stream = createWriteStream(kept)
      const start = performance.now()
      test.on('data', text => stream.write(text))
      test.on('end', () =>
        stream.end(`# time=${Math.round(performance.now() - start)}ms\n`),
      )
      await load()
    })
}
