/*
 * The Pods of `podfs serve` live in processes of their own, and outlive it: what a restart, a
 * crash and an end of podfs, of a shim and of the mount mean for them (docs/operations.md).
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { askSocket } from '../helpers/ask-socket.ts'
import {
  eventually,
  isRunning,
  podfs,
  podfsMounts,
  type RunningPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import {
  configMap,
  end,
  killAtOnce,
  pod,
  textOf,
  world,
} from '../helpers/served-world.ts'

t.setTimeout(380_000)
const skip = cannotStart()

/** What the API says of it, as far as it is asked here. */
interface SeenPod {
  readonly metadata: {
    readonly uid: string
    readonly creationTimestamp: string
  }
  readonly status: {
    readonly podIP: string
    readonly startTime: string
    readonly containerStatuses: readonly {
      readonly name: string
      readonly restartCount: number
      readonly containerID: string
      readonly state: { readonly running?: { readonly startedAt: string } }
    }[]
  }
}

/**
 * A Pod whose container `lines` prints numbered lines with what its volume holds, and says in
 * the control directory that it was told to end; `dies` ends when a file appears there.
 */
function twoContainers(control: string, more = ''): string {
  const lines = `trap 'echo told >/ctl/told; exit' TERM; i=0
while :; do i=$((i+1)); echo $i $(cat /cfg/colour) $COLOUR; sleep 0.1; done`
  const dies = `trap exit TERM; echo born >/ctl/born; until [ -e /ctl/die ]; do sleep 0.1; done
rm /ctl/die; exit 3`
  return `---
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations: {podfs.io/run: "true"}
spec:
  terminationGracePeriodSeconds: 20
  automountServiceAccountToken: false
  ${more}
  containers:
  - name: lines
    image: debian
    command: [sh, -c, ${JSON.stringify(lines)}]
    env: [{name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}]
    volumeMounts: [{name: cfg, mountPath: /cfg}, {name: ctl, mountPath: /ctl}, {name: disk, mountPath: /disk}, {name: memory, mountPath: /memory}]
  - name: dies
    image: debian
    command: [sh, -c, ${JSON.stringify(dies)}]
    volumeMounts: [{name: ctl, mountPath: /ctl}]
  volumes:
  - {name: cfg, configMap: {name: settings}}
  - {name: ctl, hostPath: {path: ${control}}}
  - {name: disk, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory}}
`
}

/** The Pod, and what can be seen of it from outside. */
function machine(t: Test) {
  const made = world(t)
  const { dir, root, write } = made
  const control = path.join(dir, 'control')
  mkdirSync(control)
  const colour = (name: string): void =>
    write('settings.yaml', configMap('settings', `{colour: ${name}}`))
  colour('blue')
  write('web.yaml', twoContainers(control))
  const sessions = new Set<number>()
  const directories = (): string[] =>
    [...sessions]
      .map(pid => `${runtimeDirectory}/serve-${pid}`)
      .filter(directory => existsSync(directory))
  /** Whoever serves now, about the Pod; its API comes up a little later than it is ready. */
  const ask = (url: string): Promise<string> =>
    eventually(() =>
      askSocket(
        `${directories()[0]}/api.sock`,
        `/api/v1/namespaces/default/pods/web${url}`,
      ).catch((error: NodeJS.ErrnoException) => {
        if (!['ENOENT', 'ECONNREFUSED'].includes(error.code ?? '')) throw error
        return undefined
      }),
    )
  // Whatever a failed test has left: no podfs is there to end it.
  t.teardown(async () => {
    if (existsSync(root)) await podfs(t, ['unmount', '--lazy', root])
  })
  return {
    ...made,
    colour,
    control: (name: string): string => path.join(control, name),
    start: async (): Promise<RunningPodfs> => {
      const serving = await made.start()
      sessions.add(serving.pid)
      return serving
    },
    seen: async (): Promise<SeenPod> => {
      return JSON.parse(await ask('')) as SeenPod
    },
    logs: async (container = 'lines'): Promise<string[]> => {
      const text = await ask(`/log?container=${container}`)
      return text.split('\n').filter(line => line !== '')
    },
    /** The processes whose command line names this test's sessions, by program. */
    shims: (): number[] =>
      processes(words =>
        [...sessions].some(
          pid =>
            words[1]?.endsWith('/pod-shim.cjs') === true &&
            words[2] === `${runtimeDirectory}/serve-${pid}`,
        ),
      ),
    left: directories,
  }
}

function processes(matches: (words: string[]) => boolean): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(
      pid =>
        matches((textOf(`/proc/${pid}/cmdline`) ?? '').split('\0')) &&
        isRunning(pid),
    )
}

/** All that descends from a process, itself included. */
function family(ancestor: number): number[] {
  const children = processes(() => true).filter(pid => {
    const stat = textOf(`/proc/${pid}/stat`) ?? ''
    return (
      Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === ancestor
    )
  })
  return [ancestor, ...children.flatMap(family)]
}

const container = ({ status }: SeenPod, name: string) => {
  const found = status.containerStatuses.find(each => each.name === name)
  if (found === undefined) throw new Error(`no status of ${name}`)
  return found
}

/** The numbers of the lines, which must be 1, 2, 3 .. */
function checkNumbers(
  t: Test,
  lines: readonly string[],
  message: string,
): void {
  const wrong = lines.findIndex(
    (line, index) => Number(line.split(' ')[0]) !== index + 1,
  )
  t.equal(wrong, -1, `${message}: ${lines.length} lines`)
}

/** A podfs whose Pod runs, and has printed something; the shim and all that is below it. */
async function running(t: Test) {
  const made = machine(t)
  const { control, logs } = made
  const serving = await made.start()
  await eventually(() => existsSync(control('born')))
  await eventually(async () => (await logs()).length > 10)
  const [shim = 0] = made.shims()
  const all = family(shim)
  const { root, left, shims } = made
  return {
    ...made,
    serving,
    shim,
    all,
    kill: async (signal: NodeJS.Signals): Promise<void> => {
      serving.child.kill(signal)
      await serving.ended
    },
    /** Keeper and file servers. */
    holders: (): number[] =>
      processes(
        words =>
          words[2] === `${runtimeDirectory}/serve-${serving.pid}` &&
          /(keeper\.sh|fuse-server\.cjs)$/.test(words[1] ?? ''),
      ),
    /** Each container was told to end, and nothing is there any more. */
    isOver: (t: Test, how: string): void => {
      t.equal(textOf(control('told')), 'told\n', `${how}: with a grace period`)
      t.strictSame(all.filter(isRunning), [])
      t.strictSame(shims(), [])
      t.strictSame(podfsMounts(), [])
      t.strictSame(left(), [])
      t.notOk(existsSync(root))
    },
  }
}

/** Whether the process holds the other end of a connection over loopback. */
function holds(
  pid: number,
  { remotePort = 0, localPort = 0 }: Socket,
): boolean {
  const port = (number: number): string =>
    `:${number.toString(16).toUpperCase().padStart(4, '0')}`
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .find(
      ([, local, remote]) =>
        local?.endsWith(port(remotePort)) && remote?.endsWith(port(localPort)),
    )
  const descriptors = `/proc/${pid}/fd`
  try {
    return readdirSync(descriptors).some(
      name =>
        readlinkSync(`${descriptors}/${name}`) === `socket:[${line?.[9]}]`,
    )
  } catch {
    // It is gone, or has just closed one.
    return false
  }
}

t.test('SIGKILL: the shim looks instead of podfs', { skip }, async t => {
  const statuses = new Map([
    ['/start', 200],
    ['/live', 200],
    ['/ready', 200],
  ])
  const asked: string[] = []
  const count = (what: string): number =>
    asked.filter(each => each.endsWith(what)).length
  let serving: RunningPodfs | undefined
  /** Whether it is answered. */
  let isAnswered: (what: string) => boolean = () => true
  const server = createServer(({ url = '', socket }, answer) => {
    const status = statuses.get(url) ?? 404
    const who = holds(serving?.pid ?? 0, socket) ? 'podfs' : 'shim'
    const what = `${who} ${url} ${status}`
    asked.push(what)
    if (!isAnswered(what)) return
    // It is well again when the threshold is reached.
    if (what.endsWith('/live 503') && count('/live 503') === 3)
      statuses.set('/live', 200)
    answer.writeHead(status).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const probe = (path: string, more = ''): string =>
    `{httpGet: {host: 127.0.0.1, port: ${port}, path: ${path}}, periodSeconds: 1, timeoutSeconds: 100${more}}`
  const { root, write, start } = world(t)
  t.teardown(async () => {
    if (existsSync(root)) await podfs(t, ['unmount', '--lazy', root])
  })
  write(
    'web.yaml',
    pod('web', '', {
      run: 'true',
      more: 'restartPolicy: Always',
      probes: `startupProbe: ${probe('/start')}
    livenessProbe: ${probe('/live', ', failureThreshold: 3')}
    readinessProbe: ${probe('/ready', ', failureThreshold: 1')}`,
    }),
  )
  const ask = async (...args: readonly string[]): Promise<string> =>
    (await podfs(t, [...args, '--session', root])).stdout
  /** Until podfs looks after both that look again and again. */
  const isWatched = async (): Promise<void> => {
    const before = asked.length
    await eventually(() =>
      ['/live', '/ready'].every(path =>
        asked.slice(before).includes(`podfs ${path} 200`),
      ),
    )
  }
  const kill = (): void => {
    isAnswered = () => true
    serving?.child.kill('SIGKILL')
  }

  await t.test('while podfs looks itself', async t => {
    const killed = (serving = await start())
    await eventually(async () =>
      / 1\/1 +Running/.test(await ask('get', 'pods')),
    )
    await isWatched()
    isAnswered = what => {
      if (what !== 'podfs /live 200') return true
      for (const path of ['/live', '/ready']) statuses.set(path, 503)
      kill()
      return false
    }
    await killed.ended
    await eventually(() => count('/start 200') === 2)
    t.equal(count('shim /live 503'), 3, 'a restart at the threshold')
    t.equal(count('podfs /live 503'), 0)
  })

  await t.test('in the middle of failures', async t => {
    const killed = (serving = await start())
    t.match(await ask('get', 'pods'), / 0\/1 +Running +1 /)
    const events = await ask('get', 'events')
    for (const what of ['Liveness', 'Readiness'])
      t.match(
        events,
        new RegExp(
          `Unhealthy +pod/web +${what} probe failed: HTTP probe failed with statuscode: 503\n`,
        ),
      )
    statuses.set('/ready', 200)
    await eventually(async () =>
      / 1\/1 +Running/.test(await ask('get', 'pods')),
    )
    await isWatched()
    asked.length = 0
    isAnswered = what => {
      if (what === 'shim /live 503') kill()
      return true
    }
    statuses.set('/live', 503)
    await killed.ended
    await eventually(() => count('/start 200') === 1)
    t.strictSame(
      asked.filter(each => each.endsWith('/live 503')),
      ['podfs /live 503', 'shim /live 503', 'shim /live 503'],
      'what podfs has seen counts',
    )
  })

  await t.test('the next podfs does not begin anew', async t => {
    const last = (serving = await start())
    await isWatched()
    t.match(await ask('get', 'pods'), / 1\/1 +Running +2 /)
    t.equal(count('/start 200'), 1, 'what has started is not asked again')
    await end(t, last)
  })
})

t.test(
  'SIGKILL: hooks, and restarts for a probe, go on in the shim',
  { skip },
  async t => {
    const { dir, root, write, start } = world(t)
    t.teardown(async () => {
      if (existsSync(root)) await podfs(t, ['unmount', '--lazy', root])
    })
    const hooks = (): string => textOf(path.join(dir, 'hooks')) ?? ''
    const hook = (word: string): string =>
      `{exec: {command: [sh, -c, "touch /ctl/well; echo ${word} >>/ctl/hooks"]}}`
    write(
      'web.yaml',
      pod('web', `{name: ctl, hostPath: {path: ${dir}}}`, {
        run: 'true',
        mounts: '{name: ctl, mountPath: /ctl}',
        command:
          'trap "echo told; exit 3" TERM; echo born; while :; do sleep 1000 & wait; done',
        more: 'restartPolicy: Always',
        probes: `livenessProbe: {exec: {command: [test, -e, /ctl/well]}, periodSeconds: 1, failureThreshold: 1, terminationGracePeriodSeconds: 20}
    lifecycle: {postStart: ${hook('postStart')}, preStop: ${hook('preStop')}}`,
      }),
    )
    const ask = async (...args: readonly string[]): Promise<string> =>
      (await podfs(t, [...args, '--session', root])).stdout
    const serving = await start()
    await eventually(() => hooks() === 'postStart\n')
    await eventually(async () => (await ask('logs', 'web')) === 'born\n')
    serving.child.kill('SIGKILL')
    await serving.ended
    rmSync(path.join(dir, 'well'))
    await eventually(() => hooks() === 'postStart\npreStop\npostStart\n')
    const next = await start()
    await eventually(async () =>
      / 1\/1 +Running +1 /.test(await ask('get', 'pods')),
    )
    t.equal(await ask('logs', 'web'), 'born\n')
    t.equal(await ask('logs', 'web', '-p'), 'born\ntold\n')
    const events = await ask('get', 'events')
    t.match(events, /Unhealthy +pod\/web +Liveness probe failed:/)
    t.match(
      events,
      /Killing +pod\/web +Container c failed liveness probe, will be restarted/,
    )
    await end(t, next)
  },
)

t.test('a Pod that starts beside one that was left', { skip }, async t => {
  const { root, write, start } = world(t)
  t.teardown(async () => {
    if (existsSync(root)) await podfs(t, ['unmount', '--lazy', root])
  })
  // No emptyDir: the directory of the run itself keeps its number.
  const prints = (name: string): string =>
    configMap(name, `{key: "of ${name}\\n"}`) +
    pod(name, `{name: v, configMap: {name: ${name}}}`, {
      run: 'true',
      command: 'cat /v/key; exec sleep 1000',
      mounts: '{name: v, mountPath: /v}',
    })
  const logs = async (name: string): Promise<string> =>
    (await podfs(t, ['logs', name, '--session', root])).stdout
  write('left.yaml', prints('left'))
  const serving = await start()
  await eventually(async () => (await logs('left')) === 'of left\n')
  serving.child.kill('SIGKILL')
  await serving.ended
  write('new.yaml', prints('new'))
  const next = await start()
  await eventually(async () => (await logs('new')) === 'of new\n')
  t.notMatch(next.stderr(), 'could not go on', 'at its first try')
  t.match(await podfs(t, ['get', 'pods', '--session', root]), {
    stdout: /^left +1\/1 +Running +0 .*\nnew +1\/1 +Running +0 /m,
  })
  await end(t, next)
  t.strictSame(podfsMounts(), [])
})

for (const signal of ['SIGUSR2', 'SIGKILL'] as const)
  t.test(
    `${signal}: a Pod lives on, and the next podfs goes on with it`,
    { skip },
    async t => {
      const world = await running(t)
      const { start, seen, logs, shims, control, colour } = world
      const before = await seen()
      t.ok(world.all.length > 4, 'the containers are below the shim')
      await world.kill(signal)
      await t.test('without a podfs a container is restarted', async () => {
        writeFileSync(control('die'), '')
        await eventually(() => !existsSync(control('die')))
        writeFileSync(control('born'), '')
        await eventually(() => textOf(control('born')) === 'born\n')
      })
      const next = await start()
      const after = await seen()
      t.strictSame(shims(), [world.shim])
      t.equal(container(before, 'dies').restartCount, 0)
      t.equal(container(after, 'dies').restartCount, 1)
      t.strictSame(container(after, 'lines'), container(before, 'lines'))
      for (const field of ['uid', 'creationTimestamp'] as const)
        t.equal(after.metadata[field], before.metadata[field], field)
      t.equal(after.status.podIP, before.status.podIP)
      t.equal(after.status.startTime, before.status.startTime)
      t.match(await podfs(t, ['get', 'events', '--session', world.root]), {
        stdout: /Started +pod\/web +Started container lines/,
      })
      const found = (await logs()).length
      checkNumbers(t, await logs(), 'no line is lost or there twice')
      await eventually(async () => (await logs()).length > found + 20)
      checkNumbers(t, await logs(), 'nor of those that come')

      await t.test('a change reaches the container that runs', async t => {
        colour('green')
        await eventually(async () =>
          (await logs()).at(-1)?.endsWith(' green blue'),
        )
        t.strictSame(
          container(await seen(), 'lines'),
          container(before, 'lines'),
        )
        writeFileSync(control('die'), '')
        await eventually(
          async () => container(await seen(), 'dies').restartCount === 2,
        )
      })
      t.notMatch(
        next.stderr(),
        /restart 1/,
        'what was before is not told again',
      )

      await end(t, next)
      world.isOver(t, 'SIGTERM')
    },
  )

t.test(
  'unmount after kill -9 ends the Pods, with their grace period',
  { skip },
  async t => {
    const world = await running(t)
    await world.kill('SIGKILL')
    t.equal((await podfs(t, ['unmount', world.root])).code, 0)
    world.isOver(t, 'unmount')
  },
)

t.test('what was decided while no podfs was there', { skip }, async t => {
  const cases = {
    'the file is gone': {
      change: ({ remove }: ReturnType<typeof machine>) => remove('web.yaml'),
      told: /Pod default\/web is gone from its files: ending it/,
      runs: false,
    },
    'it is not to be run any more': {
      change: ({ write, control }: ReturnType<typeof machine>) =>
        write(
          'web.yaml',
          twoContainers(control('')).replace('"true"', '"false"'),
        ),
      told: /Pod default\/web is not to be run any more: ending it/,
      runs: false,
    },
    'the spec is another one': {
      change: ({ write, control }: ReturnType<typeof machine>) =>
        write('web.yaml', twoContainers(control(''), 'hostname: other')),
      told: /Pod default\/web changed \(spec\.hostname\): restarting it/,
      runs: true,
    },
  }
  for (const [title, { change, told, runs }] of Object.entries(cases))
    await t.test(title, async t => {
      const world = await running(t)
      await world.kill('SIGUSR2')
      change(world)
      const next = await world.start()
      await next.saw(told, 'stderr')
      await eventually(() => !world.all.some(isRunning))
      if (runs) await eventually(async () => (await world.logs()).length > 10)
      await eventually(() => world.shims().length === (runs ? 1 : 0))
      await end(t, next)
      world.isOver(t, 'what is not wanted')
    })

  await t.test('the input is broken: it runs on', async t => {
    const world = await running(t)
    await world.kill('SIGKILL')
    world.write('web.yaml', 'kind: [')
    const next = await world.start()
    t.match(next.stderr(), 'podfs: the input has mistakes')
    const count = (await world.logs()).length
    await eventually(async () => (await world.logs()).length > count)
    t.ok(isRunning(world.shim))
    world.remove('web.yaml')
    await next.saw(/is gone from its files: ending it/, 'stderr')
    await eventually(() => !world.all.some(isRunning))
    await end(t, next)
  })
})

t.test('a Pod that has ended by itself is not run again', { skip }, async t => {
  const made = machine(t)
  const { start, write, remove, control, shims, root } = made
  const job = (name: string): string => `---
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  annotations: {podfs.io/run: "true"}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  containers:
  - name: c
    image: debian
    command: [sh, -c, 'echo run >>/ctl/${name}; echo done; until [ -e /ctl/end-${name} ]; do sleep 0.1; done; printf "${name} said" >/dev/termination-log; exit 3']
    volumeMounts: [{name: ctl, mountPath: /ctl}]
  volumes: [{name: ctl, hostPath: {path: ${control('')}}}]
`
  write('web.yaml', job('early'))
  write('late.yaml', job('late'))
  const ofAll = async (path: string): Promise<string> => {
    const jsonpath = `jsonpath={range .items[*]}{.metadata.name}={${path}} {end}`
    const get = ['get', 'pods', '--session', root, '-o', jsonpath]
    return (await podfs(t, get)).stdout
  }
  const phases = (): Promise<string> => ofAll('.status.phase')
  const first = await start()
  writeFileSync(control('end-early'), '')
  await eventually(
    async () => (await phases()) === 'early=Failed late=Running ',
  )
  await first.saw(/Pod default\/early has failed/, 'stderr')
  first.child.kill('SIGKILL')
  await first.ended
  writeFileSync(control('end-late'), '')

  let next = await start()
  await eventually(async () => (await phases()) === 'early=Failed late=Failed ')
  next.child.kill('SIGUSR2')
  await next.ended
  next = await start()
  t.equal(await phases(), 'early=Failed late=Failed ')
  t.equal(
    await ofAll('.status.containerStatuses[0].state.terminated.message'),
    'early=early said late=late said ',
    'what they said at their end',
  )
  for (const name of ['early', 'late']) {
    t.equal(textOf(control(name)), 'run\n', `${name} ran once`)
    t.match(await podfs(t, ['logs', name, '--session', root]), {
      stdout: 'done\n',
    })
  }
  t.equal(shims().length, 2)
  remove('late.yaml')
  await eventually(() => shims().length === 1)
  t.equal(await phases(), 'early=Failed ')
  write('web.yaml', job('early').replace('exit 3', 'exit 0'))
  await eventually(async () => (await phases()) === 'early=Succeeded ')
  t.equal(textOf(control('early')), 'run\nrun\n', 'another one is run')
  await end(t, next)
  t.strictSame(shims(), [])
  t.strictSame(podfsMounts(), [])
  t.strictSame(made.left(), [])
})

t.test(
  'a shim is killed: its containers go with it, and the Pod is started again',
  { skip },
  async t => {
    const world = await running(t)
    const { serving, shim, all } = world
    process.kill(shim, 'SIGKILL')
    await serving.saw(/podfs could not go on with Pod default\/web/, 'stderr')
    await eventually(() => !all.some(isRunning))
    const [other = 0] = await eventually(
      () => world.shims().length > 0 && world.shims(),
    )
    t.not(other, shim)
    await eventually(async () => (await world.logs()).length > 10)
    checkNumbers(t, await world.logs(), 'it begins anew')
    await end(t, serving)
    t.strictSame(podfsMounts(), [])
    t.strictSame(world.left(), [])
  },
)

t.test(
  'nobody holds the mount any more: the Pod ends by itself',
  { skip },
  async t => {
    const world = await running(t)
    const { serving, all, holders } = world
    killAtOnce([serving.pid, ...holders()])
    await eventually(() => !all.some(isRunning))
    t.equal((await podfs(t, ['unmount', world.root])).code, 0)
    world.isOver(t, 'the end of the mount')
  },
)

t.test(
  'the mount is lost: containers get another one from the next podfs, too',
  { skip },
  async t => {
    const world = await running(t)
    const { seen, logs, colour } = world
    const before = await seen()
    await world.kill('SIGUSR2')
    const next = await world.start()
    killAtOnce(world.holders())
    colour('red')
    await eventually(async () => (await logs()).at(-1)?.endsWith(' red blue'))
    t.strictSame(container(await seen(), 'lines'), container(before, 'lines'))
    await end(t, next)
    world.isOver(t, 'SIGTERM')
  },
)

t.test(
  'a podfs that is slow misses no output that is kept',
  { skip },
  async t => {
    const world = machine(t)
    const count = 1_000_000
    world.write(
      'web.yaml',
      twoContainers(world.control(''))
        .replace(
          /command: .*trap.*/,
          `command: [sh, -c, 'until [ -e /ctl/go ]; do sleep 0.1; done; seq ${count}; echo done >/ctl/done; exec sleep 1000']`,
        )
        .replace('PeriodSeconds: 20', 'PeriodSeconds: 0'),
    )
    const serving = await world.start()
    await eventually(() => existsSync(world.control('born')))
    serving.child.kill('SIGSTOP')
    writeFileSync(world.control('go'), '')
    await eventually(() => existsSync(world.control('done')))
    serving.child.kill('SIGCONT')
    await eventually(async () => (await world.logs()).at(-1) === String(count))
    const lines = (await world.logs()).map(Number)
    const wrong = lines.findIndex(
      (line, index) => line !== count - lines.length + index + 1,
    )
    t.equal(wrong, -1, `the newest ${lines.length} lines`)
    await end(t, serving)
  },
)

t.test(
  'no Secret is in a command line or an environment of a shim, nor beside it',
  { skip },
  async t => {
    const canary = 'canary-5c2a91'
    const world = machine(t)
    world.write(
      'settings.yaml',
      configMap('settings', '{colour: blue}').replace('blue', canary),
    )
    const serving = await world.start()
    await eventually(async () => (await world.logs()).at(-1)?.includes(canary))
    const [shim = 0] = world.shims()
    for (const file of ['cmdline', 'environ'])
      t.notMatch(readFileSync(`/proc/${shim}/${file}`, 'latin1'), canary, file)
    // Without what is mounted there: its volumes.
    const found = spawnSync(
      'find',
      [
        [
          `${runtimeDirectory}/serve-${serving.pid}/pods`,
          '-xdev',
          '-type',
          'f',
        ],
        ['-exec', 'grep', '-l', canary, '{}', '+'],
      ].flat(),
      { encoding: 'utf8' },
    )
    t.equal(found.stderr, '')
    t.equal(found.stdout, '', 'nothing is written')
    await end(t, serving)
  },
)
