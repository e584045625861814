import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { eventually, startPodfs, type RunningPodfs } from '../helpers/podfs.ts'
import { configMapYaml } from '../sources/live.ts'

/*
 * Edits at every point of the built program's start: none is lost. Half of them are renamed
 * into place, the others written in place, each file once.
 */

const files = 200
/** Of each kind of source; the first start shows how long one takes. */
const starts = Math.ceil(
  Number(process.env['PODFS_TEST_EDITS'] ?? 600) / 3 / files,
)

interface Kind {
  readonly file: (i: number) => string
  readonly text: (i: number, value: string) => string
  readonly args: (source: string, mountPoint: string) => readonly string[]
  readonly seen: (mountPoint: string, i: number) => string
  /** What is there when the start begins. */
  readonly prepare?: (start: () => RunningPodfs) => Promise<void>
  readonly skip: string | false
}

const manifests: Kind = {
  skip: cannotStart(),
  file: i => `${i}.yaml`,
  text: (i, value) => configMapYaml(`cm${i}`, { k: value }),
  args: (source, root) => ['serve', '-f', source, '--root', root],
  seen: (root, i) => join(root, `default/configmaps/cm${i}/k`),
}

const kinds: Readonly<Record<string, Kind>> = {
  manifests,
  'manifests, of a podfs that adopts': {
    ...manifests,
    prepare: async start => {
      const podfs = start()
      await podfs.saw(/ready/)
      podfs.child.kill('SIGKILL')
      await podfs.ended
    },
  },
  'a directory': {
    skip: cannotStart(),
    file: i => `k${i}`,
    text: (_, value) => value,
    args: (source, mountPoint) => ['mount', source, mountPoint],
    seen: (mountPoint, i) => join(mountPoint, `k${i}`),
  },
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Gives how long the start has taken, in milliseconds. */
async function startOnce(
  t: Test,
  top: string,
  { file, text, args, seen, prepare }: Kind,
  editsMs: number,
): Promise<number> {
  const [source, mountPoint] = [join(top, 'source'), join(top, 'mnt')]
  for (const directory of [source, mountPoint])
    mkdirSync(directory, { recursive: true })
  const path = (i: number) => join(source, file(i))
  const all = Array.from({ length: files }, (_, i) => i)
  for (const i of all) writeFileSync(path(i), text(i, 'old'))
  const start = () => startPodfs(t, args(source, mountPoint))
  await prepare?.(start)

  const began = performance.now()
  const podfs = start()
  const ready = podfs.saw(/ready/).then(() => performance.now() - began)
  for (const i of all) {
    const left = (i * editsMs) / files - (performance.now() - began)
    if (left > 0) await delay(left)
    if (i % 2 === 0) writeFileSync(path(i), text(i, 'new'))
    else {
      writeFileSync(`${path(i)}.new~`, text(i, 'new'))
      renameSync(`${path(i)}.new~`, path(i))
    }
  }
  const readyMs = await ready
  await eventually(() => all.every(i => read(seen(mountPoint, i)) === 'new'))
  podfs.child.kill('SIGINT')
  t.equal((await podfs.ended).code, 0, podfs.stderr())
  return readyMs
}

for (const [name, kind] of Object.entries(kinds))
  t.test(
    `${name}: ${starts * files} edits, none is lost`,
    { skip: kind.skip },
    async t => {
      let editsMs = 1000
      for (let i = 0; i < starts; i++) {
        const top = t.testdir({})
        const readyMs = await startOnce(t, top, kind, editsMs)
        editsMs = readyMs * 1.2
      }
    },
  )
