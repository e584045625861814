/*
 * What docs/cli.md promises for `podfs mount` when one of its processes is killed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { cannotMount } from '../helpers/fuse-mount.ts'
import { formatEvents, Inotify, type InotifyEvent } from '../helpers/inotify.ts'
import {
  eventually,
  noteDetached,
  podfs,
  podfsMounts,
  type RunningPodfs,
  startPodfs,
} from '../helpers/podfs.ts'

t.setTimeout(240_000)
const skip = await cannotMount()

function configMap(colour: string): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: ${colour}, size: big}
`
}

function world(t: Test) {
  const dir = t.testdir({ 'settings.yaml': configMap('blue') })
  const file = path.join(dir, 'settings.yaml')
  const mountpoint = path.join(dir, 'mnt')
  return {
    mountpoint,
    args: ['mount', '-f', file, '--configmap', 'settings', mountpoint],
    change: (colour: string) => writeFileSync(file, configMap(colour)),
    colour: () => readFile(path.join(mountpoint, 'colour'), 'utf8'),
  }
}

/** The keeper of a podfs, its server and its standby. */
function processesOf(pid: number | string): {
  keeper: number
  servers: number[]
} {
  const keeper = Number(readFileSync(`/run/podfs/mount-${pid}/keeper.pid`))
  const children = readFileSync(
    `/proc/${keeper}/task/${keeper}/children`,
    'latin1',
  )
  const servers = children
    .trim()
    .split(' ')
    .map(Number)
    .filter(child =>
      readFileSync(`/proc/${child}/cmdline`, 'latin1').startsWith(
        process.execPath,
      ),
    )
  return { keeper, servers }
}

/** Before the test's directory is removed, which must not walk into a mount. */
async function end(podfs: RunningPodfs): Promise<void> {
  podfs.child.kill('SIGTERM')
  await podfs.ended
}

/**
 * A process that looks at a file without pause. `seen` are the contents and errors in the
 * order of their first appearance, and what a listing of the directory gave but the file.
 */
function startLooker(t: Test, directory: string, name: string) {
  const script = `
    const fs = require('node:fs'), [, directory, name] = process.argv
    const seen = new Set(); let looks = 0, over = false
    const look = read => { try { return read() } catch (error) { return error.code } }
    process.stdin.once('data', () => (over = true))
    const round = () => {
      for (let i = 0; i < 50; i++) {
        seen.add(look(() => fs.readFileSync(directory + '/' + name, 'utf8')))
        const names = look(() => fs.readdirSync(directory))
        if (Array.isArray(names) ? !names.includes(name) : true) seen.add(String(names) || 'empty')
        looks++
      }
      if (looks === 50) console.log('looks')
      if (over) console.log(JSON.stringify({ looks, seen: [...seen] })), process.exit()
      setImmediate(round)
    }
    round()`
  const child = spawn(process.execPath, ['-e', script, directory, name], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  const nextLine = async (): Promise<string> =>
    ((await once(lines, 'line')) as [string])[0]
  const first = nextLine()
  return {
    looks: () => first,
    end: async () => {
      const last = nextLine()
      child.stdin.write('end\n')
      return JSON.parse(await last) as { looks: number; seen: string[] }
    },
  }
}

/** Somebody inside: an open file, a watch, a working directory. */
async function consumer(t: Test, mountpoint: string) {
  const held = await open(path.join(mountpoint, 'colour'))
  t.teardown(() => held.close())
  const inotify = new Inotify()
  t.teardown(() => inotify.close())
  inotify.watch(mountpoint)
  const shell = spawn(
    'sh',
    ['-c', 'while read -r name; do cat "$name"; echo; done'],
    {
      cwd: mountpoint,
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  t.teardown(() => shell.kill('SIGKILL'))
  const lines = createInterface({ input: shell.stdout })
  return {
    held: async () =>
      (await held.read(Buffer.alloc(9), 0, 9, 0)).buffer
        .toString('latin1')
        .replace(/\0+$/, ''),
    events: () => inotify.drain(),
    relative: async (name: string): Promise<string> => {
      shell.stdin.write(`${name}\n`)
      const [line] = (await once(lines, 'line')) as [string]
      return line
    },
  }
}

const swapEvents = [
  'CREATE,ISDIR ..ts1',
  'ATTRIB,ISDIR ..ts1',
  'CREATE ..data_tmp',
  'MOVED_FROM ..data_tmp',
  'MOVED_TO ..data',
  'DELETE,ISDIR ..ts2',
]

for (const how of ['killed', 'killed, detached', 'taken over'])
  t.test(`a daemon is ${how}: the next one goes on`, { skip }, async t => {
    const { args, mountpoint, change, colour } = world(t)
    let first: number
    if (how === 'killed, detached') {
      const { stdout } = await podfs(t, [...args, '--detach'])
      first = noteDetached(Number(stdout))
    } else {
      const started = startPodfs(t, args)
      await started.saw(/ready/)
      first = started.pid
    }
    const inside = await consumer(t, mountpoint)
    if (how !== 'taken over') process.kill(first, 'SIGKILL')
    const next = startPodfs(
      t,
      how === 'taken over' ? [...args, '--takeover'] : args,
    )
    await next.saw(/ready/)
    t.strictSame(inside.events(), [], 'nothing has changed')
    t.equal(podfsMounts().length, 2, 'and no other mount is there')
    change('green')
    await eventually(async () => (await colour()) === 'green')
    t.equal(await inside.held(), 'blue', 'an open file stays')
    t.equal(await inside.relative('colour'), 'green', 'a working directory too')
    const events: InotifyEvent[] = []
    await eventually(() => {
      events.push(...inside.events())
      return events.length >= swapEvents.length
    })
    t.strictSame(formatEvents(events), swapEvents)
    next.child.kill('SIGTERM')
    t.equal((await next.ended).code, 0)
    t.strictSame(podfsMounts(), [])
    t.notOk(existsSync(mountpoint), 'it was made for the first mount')
    t.notOk(existsSync(`/run/podfs/mount-${first}`))
  })

t.test('a daemon that is taken over ends well', { skip }, async t => {
  const { args } = world(t)
  const first = startPodfs(t, args)
  await first.saw(/ready/)
  const next = startPodfs(t, [...args, '--takeover'])
  await next.saw(/ready/)
  const { code, signal } = await first.ended
  t.strictSame({ code, signal }, { code: 0, signal: null })
  await end(next)
})

t.test('other volumes: the old mount is cleared away', { skip }, async t => {
  const { args, mountpoint } = world(t)
  const first = startPodfs(t, args)
  await first.saw(/ready/)
  first.child.kill('SIGKILL')
  await first.ended
  const next = startPodfs(t, [...args, '--allow-other'])
  await next.saw(/ready/)
  t.equal(podfsMounts().length, 2)
  t.ok(existsSync(path.join(mountpoint, 'colour')))
  await end(next)
})

t.test('keeper and servers killed: a fresh mount', { skip }, async t => {
  const { args, mountpoint, change, colour } = world(t)
  const serving = startPodfs(t, args)
  await serving.saw(/ready/)
  const looker = startLooker(t, mountpoint, 'colour')
  await looker.looks()
  for (const round of [1, 2]) {
    const directory = round === 1 ? '' : '/again-1'
    // With its standby, so that nobody is left.
    const { keeper, servers } = await eventually(() => {
      const found = processesOf(`${serving.pid}${directory}`)
      return found.servers.length === 2 && found
    })
    const at = performance.now()
    for (const pid of [keeper, ...servers]) process.kill(pid, 'SIGKILL')
    change(`round-${round}`)
    await eventually(
      async () => (await colour().catch(() => '')) === `round-${round}`,
    )
    t.comment(`${(performance.now() - at).toFixed(0)} ms`)
    await eventually(() => podfsMounts().length === 2)
    t.equal(podfsMounts().length, 2, 'the dead one is gone')
  }
  const { looks, seen } = await looker.end()
  t.comment(`${looks} looks`)
  // What is cached of a dead mount may still be read; nobody sees what lies beneath.
  t.strictSame(
    seen.filter(what => !/^(blue|ENOTCONN|ECONNABORTED)$/.test(what)),
    ['round-1', 'round-2'],
    seen.join(' '),
  )
  serving.child.kill('SIGTERM')
  t.equal((await serving.ended).code, 0)
  t.strictSame(podfsMounts(), [])
  t.notOk(existsSync(mountpoint))
  t.notOk(existsSync(`/run/podfs/mount-${serving.pid}`))
})

t.test('daemon, keeper and servers killed', { skip }, async t => {
  const { args, colour } = world(t)
  const first = startPodfs(t, args)
  await first.saw(/ready/)
  const { keeper, servers } = await eventually(() => {
    const found = processesOf(first.pid)
    return found.servers.length === 2 && found
  })
  for (const pid of [first.pid, keeper, ...servers])
    process.kill(pid, 'SIGKILL')
  await first.ended
  const next = startPodfs(t, args)
  await next.saw(/ready/)
  t.equal(await colour(), 'blue')
  t.equal(podfsMounts().length, 2, 'nothing of the dead one is left')
  await end(next)
})
