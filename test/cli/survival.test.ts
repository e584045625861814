/*
 * What docs/cli.md promises for `podfs mount` when one of its processes is killed.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { open, readdir, readFile, readlink } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { cannotStart, needsRoot } from '../helpers/capability.ts'
import {
  formatEvents,
  Inotify,
  type InotifyEvent,
  swapEvents,
} from '../helpers/inotify.ts'
import {
  eventually,
  isRunning,
  noteDetached,
  podfs,
  podfsMounts,
  type RunningPodfs,
  startPodfs,
  runtimeDirectory,
  mountsOfOne,
} from '../helpers/podfs.ts'

t.setTimeout(240_000)
const skip = cannotStart()

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
function processesOf(
  pid: number,
  command: 'mount' | 'run' = 'mount',
): {
  keeper: number
  servers: number[]
} {
  const root = `/proc/${pid}/root`
  const directory = `${runtimeDirectory}/${command}-${pid}`
  const { mountDirectory = directory } = JSON.parse(
    readFileSync(`${root}${directory}/session.json`, 'utf8'),
  ) as { mountDirectory?: string }
  const keeper = Number(readFileSync(`${root}${mountDirectory}/keeper.pid`))
  return { keeper, servers: serversOf(keeper) }
}

function serversOf(keeper: number): number[] {
  return childrenOf(keeper, process.execPath)
}

function childrenOf(keeper: number, program: string): number[] {
  const children = readFileSync(
    `/proc/${keeper}/task/${keeper}/children`,
    'latin1',
  )
  return children
    .trim()
    .split(' ')
    .map(Number)
    .filter(child => {
      try {
        const words = readFileSync(`/proc/${child}/cmdline`, 'latin1')
        return words.startsWith(program)
      } catch {
        // It has ended meanwhile.
        return false
      }
    })
}

/** Keeper, server and standby, when all three are there. */
async function allOf(
  pid: number,
  command: 'mount' | 'run' = 'mount',
): Promise<number[]> {
  const { keeper, servers } = await eventually(() => {
    try {
      const found = processesOf(pid, command)
      return found.servers.length === 2 && found
    } catch {
      // Between two mounts.
      return false
    }
  })
  return [keeper, ...servers]
}

/** All at once, so that nobody is left who could go on. */
async function killAll(
  pid: number,
  command: 'mount' | 'run' = 'mount',
): Promise<void> {
  for (const one of await allOf(pid, command)) process.kill(one, 'SIGKILL')
}

/** Before the test's directory is removed, which must not walk into a mount. */
async function end(podfs: RunningPodfs): Promise<void> {
  podfs.child.kill('SIGTERM')
  await podfs.ended
}

/**
 * A process that looks at a file all the time. `seen` are the contents and errors in the
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
      setTimeout(round, 2)
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

/** Another podfs serves now: nobody inside has noticed, and a change is seen by all. */
async function goesOn(
  t: Test,
  { change, colour }: ReturnType<typeof world>,
  inside: Awaited<ReturnType<typeof consumer>>,
): Promise<void> {
  t.strictSame(inside.events(), [], 'nothing has changed')
  t.equal(podfsMounts().length, mountsOfOne, 'and no other mount is there')
  change('green')
  await eventually(async () => (await colour()) === 'green')
  t.equal(await inside.held(), 'blue', 'an open file stays')
  t.equal(await inside.relative('colour'), 'green', 'a working directory too')
}

for (const how of [
  'killed',
  'killed, detached',
  'taken over',
  'taken over, detached',
])
  t.test(`a daemon is ${how}: the next one goes on`, { skip }, async t => {
    const served = world(t)
    const { args, mountpoint } = served
    const isTakeover = how.startsWith('taken over')
    let first: number
    if (how.endsWith('detached')) {
      const { stdout } = await podfs(t, [...args, '--detach'])
      first = noteDetached(stdout)
    } else {
      const started = startPodfs(t, args)
      await started.saw(/ready/)
      first = started.pid
    }
    const inside = await consumer(t, mountpoint)
    if (!isTakeover) process.kill(first, 'SIGKILL')
    const next = startPodfs(t, isTakeover ? [...args, '--takeover'] : args)
    await next.saw(/ready/)
    await goesOn(t, served, inside)
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
    t.notOk(existsSync(`${runtimeDirectory}/mount-${first}`))
    await eventually(
      () => !existsSync(`${runtimeDirectory}/mount-${first}.log`),
    )
  })

for (const point of [/^CREATE,ISDIR /, /^CREATE \.\.data_tmp/, /^MOVED_TO /])
  t.test(
    `a detached daemon is killed in an update, after ${point}`,
    { skip },
    async t => {
      const { args, mountpoint, change, colour } = world(t)
      const { stdout } = await podfs(t, [...args, '--detach'])
      const first = noteDetached(stdout)
      const inotify = new Inotify()
      t.teardown(() => inotify.close())
      inotify.watch(mountpoint)
      change('green')
      const events: InotifyEvent[] = []
      await eventually(() => {
        events.push(...inotify.drain())
        return formatEvents(events).some(event => point.test(event))
      })
      process.kill(first, 'SIGKILL')
      await eventually(() => !isRunning(first))
      t.match(await colour(), /^(blue|green)$/, 'it is served on')
      const next = startPodfs(t, args)
      await next.saw(/ready/)
      await eventually(async () => (await colour()) === 'green')
      const names = (await readdir(mountpoint)).map(name =>
        name.replace(/^\.\.\d.*/, '..ts'),
      )
      t.strictSame(names.sort(), ['..data', '..ts', 'colour', 'size'])
      events.push(...inotify.drain())
      const swaps = events.filter(({ mask }) => mask === 'MOVED_TO')
      t.equal(swaps.length, 1, 'one new generation')
      await end(next)
      t.strictSame(podfsMounts(), [])
    },
  )

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

t.test('a takeover brings its own programs', { skip }, async t => {
  const { args, mountpoint, change, colour } = world(t)
  const build = path.join(path.dirname(mountpoint), 'build')
  cpSync('dist', build, { recursive: true })
  const program = path.join(build, 'podfs.cjs')
  const first = startPodfs(t, args, { program })
  await first.saw(/ready/)
  const inside = await consumer(t, mountpoint)
  const next = startPodfs(t, [...args, '--takeover'])
  await next.saw(/ready/)
  const keeper = (): number =>
    Number(readFileSync(`${runtimeDirectory}/mount-${first.pid}/keeper.pid`))
  const servers = (): number[] => {
    try {
      return serversOf(keeper())
    } catch {
      // Between two keepers.
      return []
    }
  }
  const isOf = (pid: number, directory: string): boolean =>
    readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(directory)
  await eventually(() => {
    const found = servers()
    return found.length > 0 && !found.some(pid => isOf(pid, build))
  })
  rmSync(build, { recursive: true })
  for (const round of ['green', 'red']) {
    const [active] = await eventually(() => {
      const found = servers()
      return found.length === 2 && found
    })
    process.kill(active as number, 'SIGKILL')
    change(round)
    await eventually(async () => (await colour()) === round)
  }
  t.equal(await inside.held(), 'blue', 'an open file stays')
  t.equal(await inside.relative('colour'), 'red', 'a working directory too')
  t.equal(podfsMounts().length, mountsOfOne, 'and no other mount is there')
  for (const pid of [keeper(), ...servers()]) process.kill(pid, 'SIGKILL')
  change('white')
  await eventually(async () => (await colour().catch(() => '')) === 'white')
  await end(next)
  t.strictSame(podfsMounts(), [])
})

t.test('one that cannot have them goes on without', { skip }, async t => {
  const { args, mountpoint, change, colour } = world(t)
  const build = path.join(path.dirname(mountpoint), 'build')
  cpSync('dist', build, { recursive: true })
  const first = startPodfs(t, args, { program: path.join(build, 'podfs.cjs') })
  await first.saw(/ready/)
  const programs = `${runtimeDirectory}/mount-${first.pid}/programs`
  mkdirSync(programs)
  const next = startPodfs(t, [...args, '--takeover'])
  await next.saw(/ready/)
  change('green')
  await eventually(async () => (await colour()) === 'green')
  rmdirSync(programs)
  await end(next)
  t.strictSame(podfsMounts(), [])
})

t.test('a takeover hides nothing', { skip }, async t => {
  const { args, mountpoint } = world(t)
  const first = startPodfs(t, args)
  await first.saw(/ready/)
  first.child.kill('SIGSTOP')
  execFileSync('umount', [mountpoint])
  writeFileSync(path.join(mountpoint, 'precious'), '1')
  const next = startPodfs(t, [...args, '--takeover'])
  first.child.kill('SIGCONT')
  const { code, stderr } = await next.ended
  t.equal(code, 2)
  t.match(stderr, /error: .*\/mnt is not empty/)
  t.strictSame(await readdir(mountpoint), ['precious'])
  await first.ended
  t.strictSame(podfsMounts(), [])
})

t.test('other volumes: the old mount is cleared away', { skip }, async t => {
  const { args, mountpoint } = world(t)
  const first = startPodfs(t, args)
  await first.saw(/ready/)
  first.child.kill('SIGKILL')
  await first.ended
  const next = startPodfs(t, [...args, '--backend=auto'])
  await next.saw(/ready/)
  t.equal(podfsMounts().length, mountsOfOne)
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
    await killAll(serving.pid)
    const at = performance.now()
    change(`round-${round}`)
    await eventually(
      async () => (await colour().catch(() => '')) === `round-${round}`,
    )
    t.comment(`${(performance.now() - at).toFixed(0)} ms`)
    await eventually(() => podfsMounts().length === mountsOfOne)
    t.equal(podfsMounts().length, mountsOfOne, 'the dead one is gone')
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
  t.notOk(existsSync(`${runtimeDirectory}/mount-${serving.pid}`))
})

/** The keeper finds that no server could go on, and gives up, and with it the connection. */
async function spoilJournals(keeper: number): Promise<void> {
  for (const file of [4, 5]) truncateSync(`/proc/${keeper}/fd/${file}`, 100)
  const [server] = serversOf(keeper)
  process.kill(server as number, 'SIGKILL')
  const connection = `/proc/${keeper}/fd/3`
  await eventually(
    async () =>
      (await readlink(connection).catch(() => '')) !== '/dev/fuse' || undefined,
  )
}

t.test(
  'a keeper that gives up leaves its dead mount to the daemon: no gap',
  { skip },
  async t => {
    const { args, mountpoint, change, colour } = world(t)
    const serving = startPodfs(t, args)
    await serving.saw(/ready/)
    const looker = startLooker(t, mountpoint, 'colour')
    await looker.looks()
    const [keeper] = await allOf(serving.pid)
    await spoilJournals(keeper as number)
    change('green')
    await eventually(async () => (await colour().catch(() => '')) === 'green')
    await serving.saw(/the tree could not be recovered/, 'stderr')
    await eventually(() => podfsMounts().length === mountsOfOne)
    const { looks, seen } = await looker.end()
    t.comment(`${looks} looks: ${seen.join(' ')}`)
    t.strictSame(
      seen.filter(what => !/^(blue|green|ENOTCONN|ECONNABORTED)$/.test(what)),
      [],
    )
    t.equal(seen.at(-1), 'green')
    await end(serving)
    t.strictSame(podfsMounts(), [])
    t.notOk(existsSync(mountpoint))
  },
)

t.test(
  'a daemon and its keeper are killed before there is a standby',
  { skip },
  async t => {
    const served = world(t)
    const { args, mountpoint } = served
    const first = startPodfs(t, args)
    await first.saw(/ready/)
    const { keeper } = processesOf(first.pid)
    const inside = await consumer(t, mountpoint)
    first.child.kill('SIGKILL')
    process.kill(keeper, 'SIGKILL')
    await first.ended
    const next = startPodfs(t, args)
    await next.saw(/ready/)
    await goesOn(t, served, inside)
    await end(next)
    t.strictSame(podfsMounts(), [])
  },
)

t.test(
  'a keeper that gives up without a daemon unmounts by itself',
  { skip },
  async t => {
    const { args, mountpoint } = world(t)
    const { stdout } = await podfs(t, [...args, '--detach'])
    const daemon = noteDetached(stdout)
    const [keeper] = await allOf(daemon)
    process.kill(daemon, 'SIGKILL')
    await eventually(() => !isRunning(daemon))
    await spoilJournals(keeper as number)
    await eventually(() => !isRunning(keeper as number))
    t.strictSame(podfsMounts(), [])
    t.match(await podfs(t, ['unmount', mountpoint]), { code: 2 })
  },
)

for (const before of ['nobody', 'a podfs that was killed'])
  t.test(`several begin at once after ${before}`, { skip }, async t => {
    const { args, mountpoint } = world(t)
    let serving: RunningPodfs | undefined
    for (let round = 0; round < 3; round++) {
      const all = [1, 2, 3].map(() => startPodfs(t, args))
      const outcomes = await Promise.all(
        all.map(one =>
          Promise.race([one.saw(/ready/).catch(() => 'ended'), one.ended]),
        ),
      )
      const winners = all.filter((_, at) => Array.isArray(outcomes[at]))
      t.equal(winners.length, 1)
      serving = winners[0] as RunningPodfs
      for (const one of all)
        if (one !== serving)
          t.match(await one.ended, {
            code: 1,
            stderr: new RegExp(
              `${mountpoint} is already served by podfs with pid ${serving.pid}\\n`,
            ),
          })
      t.equal(podfsMounts().length, mountsOfOne)
      if (before === 'nobody') await end(serving)
      else {
        serving.child.kill('SIGKILL')
        await serving.ended
      }
    }
    if (before !== 'nobody')
      t.match(await podfs(t, ['unmount', mountpoint]), { code: 0 })
    t.strictSame(podfsMounts(), [])
    t.notOk(existsSync(mountpoint))
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
  t.equal(podfsMounts().length, mountsOfOne, 'nothing of the dead one is left')
  await end(next)
})

/** Prints a file whenever it has changed, and what is no content. */
const follow = (file: string): string =>
  `last=; while :; do now=; read -r now <${file}; [ "$now" = "$last" ] || echo "${file} $now"; last=$now; sleep 0.01; done`

t.test('a running Pod gets the fresh mount', { skip }, async t => {
  const dir = t.testdir({})
  const file = path.join(dir, 'pod.yaml')
  const change = (colour: string): void =>
    writeFileSync(
      file,
      `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: "${colour}\\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: other}
stringData: {password: "hunter2"}
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  volumes:
  - {name: v, configMap: {name: settings}}
  - {name: other, secret: {secretName: other}}
  - {name: scratch, emptyDir: {}}
  initContainers:
  - name: first
    image: debian
    command: [sh, -c, 'echo init; until grep -qs round-1 /cfg/colour; do sleep 0.05; done; cat /cfg/colour']
    volumeMounts: [{name: v, mountPath: /cfg}]
  containers:
  - name: whole
    image: debian
    command: [bash, -c, '${follow('/cfg/colour').replaceAll("'", "''")}']
    lifecycle: {preStop: {exec: {command: [sh, -c, 'echo hook $(cat /cfg/colour) >/proc/1/fd/1']}}}
    volumeMounts:
    - {name: v, mountPath: /cfg}
    - {name: scratch, mountPath: /cfg/scratch}
  - name: part
    image: debian
    command: [bash, -c, '${follow('/etc/one.conf').replaceAll("'", "''")}']
    volumeMounts: [{name: v, mountPath: /etc/one.conf, subPath: colour}]
  - name: again
    image: debian
    command: [sh, -c, 'until now=$(cat /cfg/colour 2>&-); do sleep 0.05; done; echo started with $now; until grep -qs round-2 /cfg/colour; do sleep 0.05; done']
    volumeMounts: [{name: v, mountPath: /cfg}]
`,
    )
  change('blue')
  const running = startPodfs(t, ['run', '-f', file])
  await running.saw(/first +\| init/)
  for (const round of [1, 2, 3]) {
    await killAll(running.pid, 'run')
    change(`round-${round}`)
    await running.saw(new RegExp(`whole +\\| /cfg/colour round-${round}`))
  }
  // A subPath shows what there was when it was mounted: the change, or what was before it.
  await killAll(running.pid, 'run')
  await running.saw(/part +\| \/etc\/one\.conf round-3/)
  change('round-4')
  await running.saw(/whole +\| \/cfg\/colour round-4/)
  await running.saw(/again +\| started with round-[23]/)
  // Each container sees its own volumes, and nothing of podfs's.
  const ofProcess = (file: string): string => {
    try {
      return readFileSync(`/proc/${file}`, 'utf8')
    } catch {
      // It has ended since it was listed.
      return ''
    }
  }
  const childrenOf = (parent: number | string): string[] =>
    ofProcess(`${parent}/task/${parent}/children`)
      .split(' ')
      .filter(one => one !== '')
  const podfsMountsOf = (one: string): string =>
    ofProcess(`${one}/mountinfo`)
      .split('\n')
      .filter(line => /fuse\.podfs|live/.test(line))
      .map(line => line.split(' ').slice(4, 6).join(' ').split(',')[0])
      .join(', ')
  // Its volume, read-only, and soon nothing of the dead one.
  await eventually(() => {
    const containers = childrenOf(running.pid)
      .filter(one => ofProcess(`${one}/cmdline`).includes('--kill-child'))
      .flatMap(childrenOf)
    return (
      containers.length >= 2 &&
      containers.every(one => /^\S+ ro$/.test(podfsMountsOf(one)))
    )
  })
  running.child.kill('SIGTERM')
  t.equal((await running.ended).code, 143)
  const lines = (name: string): string[] =>
    running
      .stdout()
      .split('\n')
      .filter(line => line.startsWith(`${name} `))
      .map(line => line.slice(line.indexOf('|') + 2).trim())
      // A read that fails with ENOTCONN gives an empty one.
      .filter(line => !['/cfg/colour', '/etc/one.conf'].includes(line))
      .filter((line, at, all) => line !== all[at - 1])
  t.notMatch(running.stderr(), /No such file/)
  t.strictSame(lines('first'), ['init', 'round-1'])
  t.strictSame(lines('whole'), [
    '/cfg/colour round-1',
    '/cfg/colour round-2',
    '/cfg/colour round-3',
    '/cfg/colour round-4',
    'hook round-4',
  ])
  t.match(lines('part').at(-1), /^\/etc\/one\.conf round-[34]$/)
  t.strictSame(podfsMounts(), [])
  t.notOk(existsSync(`${runtimeDirectory}/run-${running.pid}`))
})

/**
 * A mount namespace with a run-time directory of its own: any other podfs that starts would
 * clear away what one that was killed has left.
 */
async function startNamespace(t: Test) {
  const child = spawn(
    'unshare',
    [
      '--mount',
      '--propagation=private',
      'sh',
      '-c',
      'mkdir -p /run/podfs && mount -t tmpfs -o mode=0700 tmpfs /run/podfs && echo made && exec sleep 1000',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return {
    enter: ['nsenter', `--mount=/proc/${child.pid}/ns/mnt`, '--'],
    root: `/proc/${child.pid}/root`,
    mountsBelow: (directory: string) =>
      readFileSync(`/proc/${child.pid}/mountinfo`, 'utf8')
        .split('\n')
        .filter(line => line.includes(` ${directory}/`)),
  }
}

function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text)
      } catch {
        return false
      }
    })
}

for (const when of [
  'alone',
  'at the same moment',
  'before there is a fresh mount',
  'after the fresh mount is made',
])
  t.test(
    `a podfs run leaves nothing: killed ${when}`,
    { skip: skip || needsRoot('machine'), timeout: 60_000 },
    async t => {
      const seconds = `1000.${process.pid}`
      const dir = t.testdir({
        'pod.yaml': `apiVersion: v1
kind: Pod
metadata: {name: p, labels: {a: b}}
spec:
  volumes:
  - {name: v, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
  - {name: m, emptyDir: {medium: Memory}}
  containers:
  - name: c
    image: debian
    command: [sh, -c, 'echo up; sleep ${seconds}']
    volumeMounts: [{name: v, mountPath: /v}, {name: m, mountPath: /m}]
`,
      })
      const { enter, root, mountsBelow } = await startNamespace(t)
      const running = startPodfs(t, ['run', '-f', path.join(dir, 'pod.yaml')], {
        wrapper: enter,
      })
      await running.saw(/up/)
      const directory = `${runtimeDirectory}/run-${running.pid}`
      const all = await allOf(running.pid, 'run')
      t.ok(mountsBelow(directory).length >= 4, 'its mounts are there')
      if (when !== 'alone') {
        // Nobody gets to act upon another's death.
        const together =
          when === 'at the same moment' ? [...all, running.pid] : all
        for (const signal of ['SIGSTOP', 'SIGKILL'] as const)
          for (const pid of together) process.kill(pid, signal)
      }
      if (when === 'before there is a fresh mount')
        await eventually(() =>
          readdirSync(root + directory).some(name => name.startsWith('again-')),
        )
      if (when === 'after the fresh mount is made')
        await eventually(async () => {
          const fresh = await allOf(running.pid, 'run')
          return !fresh.some(pid => all.includes(pid))
        })
      const at = performance.now()
      running.child.kill('SIGKILL')
      await running.ended
      await eventually(() => mountsBelow(directory).length === 0)
      t.comment(`${(performance.now() - at).toFixed(0)} ms`)
      for (const text of [directory, seconds])
        await eventually(() => processesWith(text).length === 0)
      t.strictSame(mountsBelow(directory), [])
    },
  )

t.test(
  'a podfs run leaves nothing: killed at any moment of a publication',
  { skip: skip || needsRoot('machine'), timeout: 120_000 },
  async t => {
    const seconds = `1001.${process.pid}`
    const dir = t.testdir({})
    const file = path.join(dir, 'pod.yaml')
    const change = (colour: string): void =>
      writeFileSync(
        file,
        `${configMap(colour)}---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  automountServiceAccountToken: false
  volumes: [{name: v, configMap: {name: settings}}]
  containers:
  - name: c
    image: debian
    command: [sh, -c, 'echo up; sleep ${seconds}']
    volumeMounts: [{name: v, mountPath: /v}]
`,
      )
    const { enter, root, mountsBelow } = await startNamespace(t)
    const seen: string[] = []
    // A swap's events, one more in each round.
    for (let count = 0; count <= 5; count++) {
      change('blue')
      const running = startPodfs(t, ['run', '-f', file], { wrapper: enter })
      await running.saw(/up/)
      const directory = `${runtimeDirectory}/run-${running.pid}`
      const inotify = new Inotify()
      inotify.watch(`${root}${directory}/rw/run/1/v`)
      change('red')
      const events: string[] = []
      while (events.length < count) {
        events.push(...formatEvents(inotify.drain()))
        await new Promise(resolve => setImmediate(resolve))
      }
      running.child.kill('SIGKILL')
      seen.push(events.at(-1)?.split(' ')[0] ?? 'none')
      inotify.close()
      await running.ended
      await eventually(() => mountsBelow(directory).length === 0)
      for (const text of [directory, seconds])
        await eventually(() => processesWith(text).length === 0)
    }
    t.pass('nothing is left')
    t.comment(`killed after: ${seen.join(', ')}`)

    // Nor when the keeper's child that is to hear of its death was killed, or is stopped.
    const start = async () => {
      const running = startPodfs(t, ['run', '-f', file], { wrapper: enter })
      await running.saw(/up/)
      const [keeper = 0] = await allOf(running.pid, 'run')
      const watcher = () => childrenOf(keeper, '/bin/sh')[0]
      return { running, watcher, directory: `/run/podfs/run-${running.pid}` }
    }
    const one = await start()
    const first = one.watcher() ?? 0
    process.kill(first, 'SIGKILL')
    await eventually(() => ![first, undefined].includes(one.watcher()))
    one.running.child.kill('SIGKILL')
    await one.running.ended
    await eventually(() => processesWith(one.directory).length === 0)
    t.same(mountsBelow(one.directory), [])

    const two = await start()
    const stopped = two.watcher() ?? 0
    process.kill(stopped, 'SIGSTOP')
    two.running.child.kill('SIGKILL')
    await two.running.ended
    const three = await start()
    await eventually(() => mountsBelow(two.directory).length === 0)
    process.kill(stopped, 'SIGKILL')
    await eventually(() => processesWith(two.directory).length === 0)
    three.running.child.kill('SIGKILL')
    await three.running.ended
    await eventually(() => processesWith(three.directory).length === 0)
  },
)
