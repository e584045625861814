import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { AtomicWriter } from '../../src/writer/atomic-writer.ts'
import { cannotMount, mountForTest } from '../helpers/fuse-mount.ts'

const swaps = 1000
const keys = 10
const readers = 4

interface Seen {
  readonly sets: number
  readonly torn: number
  readonly replaced: number
  readonly errors: readonly string[]
}

t.test(
  `${swaps} swaps under ${readers} readers that pin ..data: nothing torn, no error`,
  { skip: await cannotMount() },
  async t => {
    const { mount, publicPath } = await mountForTest(t)
    const directory = path.join(mount.directory, 'volume')
    await mkdir(directory)
    const writer = new AtomicWriter(directory, { fill: mount.fill })
    const publish = (generation: number): Promise<boolean> =>
      writer.write(
        new Map(
          Array.from({ length: keys }, (_, key) => [
            `key-${key}`,
            { data: Buffer.from(`generation ${generation}`), mode: 0o644 },
          ]),
        ),
      )
    await publish(0)
    const running = Array.from({ length: readers }, () =>
      // They read without a pause: as important as the writer, they would hold it up.
      spawn('nice', [
        process.execPath,
        'test/fixtures/pinning-reader.mjs',
        path.join(publicPath, 'volume'),
        String(keys),
      ]),
    )
    t.teardown(() => running.forEach(reader => reader.kill('SIGKILL')))
    await Promise.all(running.map(({ stdout }) => once(stdout, 'data')))
    const results = running.map(({ stdout }) => text(stdout))
    let published = 0
    for (let generation = 1; generation <= swaps; generation++)
      if (await publish(generation)) published++
    t.equal(published, swaps, 'each is a new generation')
    for (const { stdin } of running) stdin.end()

    let sets = 0
    for (const result of results) {
      const seen = JSON.parse(await result) as Seen
      t.equal(seen.torn, 0)
      t.strictSame(seen.errors, [])
      sets += seen.sets
    }
    t.ok(sets > swaps, `${sets} whole sets were read`)
    t.equal(
      (await readdir(directory)).length,
      keys + 2,
      'the keys, ..data and one generation',
    )
    // root, volume, one generation with its files, a link for each key, ..data
    t.equal((await mount.stats())['nodes'], 3 + keys * 2 + 1, 'no node leaked')
  },
)
