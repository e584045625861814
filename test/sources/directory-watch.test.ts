import { readdirSync, realpathSync, statSync, utimesSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import {
  knownMounts,
  watchDirectory,
} from '../../src/sources/directory-watch.ts'

// A source's directory may have thousands of entries, and its parent is a home or /tmp.
t.test('a watch lists no directory', async t => {
  const directory = realpathSync(t.testdir({ old: '' }))
  const { mtime } = statSync(directory)
  // relatime (mount(8)): a listing sets the time of access when it is older than that of change.
  const long = new Date(1000)
  utimesSync(directory, long, mtime)

  const names: (string | null)[] = []
  let heard: (() => void) | undefined
  const watch = await watchDirectory(directory, knownMounts(), name => {
    names.push(name)
    heard?.()
  })
  t.same(statSync(directory).atime, long, 'not at the start')
  const hint = new Promise<void>(resolve => (heard = resolve))
  await writeFile(path.join(directory, 'new'), '')
  await hint
  t.same([...new Set(names)], ['new'])
  t.same(statSync(directory).atime, long, 'not for an event')
  watch.close()

  readdirSync(directory)
  t.not(
    statSync(directory).atimeMs,
    long.getTime(),
    'and here a listing can be seen',
  )
})
