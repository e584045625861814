import t from 'tap'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { backendNames } from '../../src/volumes/backend.ts'
import { describeAtomicWriter } from '../helpers/atomic-writer-suite.ts'
import { openPlace, whatIsMissing } from '../helpers/backend-suite.ts'
import { cannotMount } from '../helpers/fuse-mount.ts'

/** libfuse works by path: an open file that has lost its name is gone (docs/backends.md). */
const notOnFuseNative = new Set([
  'a resolved file that somebody holds open',
  'an open file keeps its bytes for ever',
])

// One mount for all rows; each row gets a directory of its own in it.
for (const name of backendNames)
  for (const fills of name === 'fuse' ? [false, true] : [false])
    t.test(
      `on the backend ${name}${fills ? ', many entries at once' : ''}`,
      { skip: await cannotMount() },
      async t => {
        const missing = await whatIsMissing(name)
        if (missing !== undefined) return t.comment(`SKIPPED: ${missing}`)
        const place = await openPlace(name)
        t.teardown(() => place.close())
        let rows = 0
        describeAtomicWriter(t, {
          makeDirectory: async () => {
            const directory = path.join(
              place.backend.directory,
              `row-${++rows}`,
            )
            await mkdir(directory, { mode: fills ? 0o700 : 0o755 })
            return directory
          },
          fill: fills ? place.backend.fill : undefined,
          without: name === 'fuse-native' ? notOnFuseNative : undefined,
        })
      },
    )
