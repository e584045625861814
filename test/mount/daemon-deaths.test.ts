/*
 * Kills the daemon before every file system call of a swap; the next one adopts the mount and
 * puts the volume in order. One mount lives through all of it, and so do a reader and a watch.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { buildFixture, startDaemon } from '../helpers/fuse-daemon.ts'
import { cannotMount } from '../helpers/fuse-mount.ts'
import { Inotify, type InotifyEvent } from '../helpers/inotify.ts'
import { fsGroup, payloadOf } from '../helpers/rounds.ts'
import { checkVolumeContents } from '../helpers/volume-contents.ts'

const skip = await cannotMount()
t.setTimeout(240_000)

/** A daemon that has adopted the mount; `publish` resolves at its end to what it said last. */
async function startWriter(
  t: Test,
  words: readonly string[],
): Promise<{
  readonly recovered: boolean
  publish(): Promise<string | undefined>
}> {
  const child = spawn(process.execPath, words, {
    // Without tap's loaders a process starts in half the time.
    env: { PATH: process.env['PATH'] },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const said: string[] = []
  const lines = createInterface({ input: child.stdout })
  lines.on('line', line => said.push(line))
  const closed = once(child, 'close')
  await Promise.race([once(lines, 'line'), closed])
  return {
    recovered: said[0] === 'recovered',
    publish: async () => {
      child.stdin.write('go\n')
      await closed
      return said[1]
    },
  }
}

/** The mount of a daemon that is gone, with round 0 in its volume. */
async function makeVolume(t: Test) {
  const { directory, publicPath, process } = await startDaemon(t, 'mount')
  process.kill('SIGKILL')
  await once(process, 'exit')
  const script = buildFixture(t, 'dying-writer')
  const start = (round: number, call: number, recovery = Infinity) =>
    startWriter(t, [script, directory, ...[round, call, recovery].map(String)])
  t.equal(await (await start(0, Infinity)).publish(), 'whole')
  return { volume: join(publicPath, 'volume'), start }
}

/** Looks all the time whether what `..data` names is all of one round. */
function startReader(volume: string) {
  const state = { looks: 0, isOver: false, torn: new Set<string>() }
  const done = (async () => {
    while (!state.isOver) {
      const directory = await open(join(volume, '..data'))
      const held = `/proc/self/fd/${directory.fd}`
      const values = await Promise.all(
        ['d/a', 'd/b'].map(key =>
          readFile(join(held, key), 'utf8').catch(
            (error: NodeJS.ErrnoException) => error.code ?? '',
          ),
        ),
      )
      await directory.close()
      // One that has been replaced meanwhile loses its files one by one.
      const present = new Set(values.filter(value => value !== 'ENOENT'))
      if (
        present.size > 1 ||
        [...present].some(one => !/^round \d+$/.test(one))
      )
        state.torn.add(values.join(' | '))
      state.looks++
      // Without a pause it takes a processor from those that are to die.
      await delay(5)
    }
  })()
  return {
    end: async () => {
      state.isOver = true
      await done
      return state
    },
  }
}

t.test(
  'killed before every call of a swap, the daemon leaves a whole generation',
  { skip },
  async t => {
    const { volume, start } = await makeVolume(t)

    const inotify = new Inotify()
    t.teardown(() => inotify.close())
    inotify.watch(volume)
    const reader = startReader(volume)
    const at = performance.now()
    let served = 0
    let undone = 0
    let finished = 0
    let generation = await readlink(join(volume, '..data'))
    for (let call = 0; ; call++) {
      const round = call + 1
      const writer = await start(round, call)
      t.ok(writer.recovered)
      const adopted = await readlink(join(volume, '..data'))
      t.equal(adopted, generation, 'adopted as it was left')
      await checkVolumeContents(volume, payloadOf(served), { fsGroup })
      const isWhole = (await writer.publish()) === 'whole'
      // What the one that died has done, its successor has not touched yet.
      generation = await readlink(join(volume, '..data'))
      const swapped = generation !== adopted
      if (swapped) served = round
      const data = await readFile(join(volume, '..data/d/b'), 'utf8')
      t.equal(data, `round ${served}`)
      if (isWhole) break
      if (swapped) finished++
      else undone++
    }
    await checkVolumeContents(volume, payloadOf(served), { fsGroup })
    const { looks, torn } = await reader.end()
    t.strictSame([...torn], [])
    t.ok(undone > 20, `${undone} times undone`)
    t.ok(finished > 5, `${finished} times finished`)
    const events = inotify.drain()
    const swaps = events.filter(
      ({ mask, name }) => mask === 'MOVED_TO' && name === '..data',
    )
    t.equal(swaps.length, finished + 1, 'one event for each generation')
    t.strictSame(repeated(events), [])
    t.comment(
      `${undone + finished} deaths in ${((performance.now() - at) / 1000).toFixed(1)} s, ${looks} looks`,
    )
  },
)

t.test(
  'killed before every call of putting a volume in order, the next one does it',
  { skip },
  async t => {
    const { volume, start } = await makeVolume(t)
    let round = 0
    let deaths = 0
    // The new generation is half there; it is swapped, and the old one half gone.
    for (const call of [45, 70]) {
      for (let recovery = 0; ; recovery++) {
        round++
        await (await start(round, call)).publish()
        const left = await readFile(join(volume, '..data/d/b'), 'utf8')
        const { recovered } = await start(round, Infinity, recovery)
        const next = await start(round, Infinity)
        t.ok(next.recovered)
        const data = await readFile(join(volume, '..data/d/b'), 'utf8')
        t.equal(data, left, `call ${call}, recovery ${recovery}`)
        const served = Number(data.replace('round ', ''))
        await checkVolumeContents(volume, payloadOf(served), { fsGroup })
        t.equal(await next.publish(), 'whole')
        if (recovered) break
        deaths++
      }
    }
    t.ok(deaths > 10, `${deaths} deaths`)
  },
)

/** What was made although it was there, or removed although it was not. */
function repeated(events: readonly InotifyEvent[]): string[] {
  const present = new Map<string, boolean>()
  return events.flatMap(({ mask, name }) => {
    const [kind = ''] = mask.split(',')
    const isThere = ['CREATE', 'MOVED_TO'].includes(kind)
    if (!isThere && !['DELETE', 'MOVED_FROM'].includes(kind)) return []
    // A rename replaces what has the name.
    const isWrong = kind !== 'MOVED_TO' && present.get(name) === isThere
    present.set(name, isThere)
    return isWrong ? [`${mask} ${name}`] : []
  })
}
