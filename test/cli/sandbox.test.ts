/*
 * What the end of a Pod's pause process means for its containers, and that nothing of a Pod is left,
 * in whatever order podfs, shim and pause are killed.
 */
import t from 'tap'
import { cannotStart, isRoot } from '../helpers/capability.ts'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { container, list, object, writer } from '../helpers/conformance-pod.ts'
import { cgroupsOf, hierarchies } from '../helpers/cgroups.ts'
import {
  eventually,
  isRunning,
  podfs,
  podfsMounts,
  startPodfs,
  type RunningPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import {
  commandOf,
  descendants,
  processes,
  processesWith,
} from '../helpers/processes.ts'
import { killAtOnce, pod, world } from '../helpers/served-world.ts'

t.setTimeout(120_000)
const skip = cannotStart()

/** In a session of its own, and soon nobody's child any more; no other test has its number. */
const seconds = String(100_000_000 + process.pid)
const daemon = `(setsid sleep ${seconds} > /dev/null 2>&1 &);`
const waits = `trap 'exit 0' TERM; while :; do sleep 0.1; done`
const says = (what: string): string => `${daemon} echo ${what}; ${waits}`

const pods = [
  object.pod(
    { name: 'plain' },
    {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 1,
      initContainers: [container('init', 'echo init')],
      containers: [
        container('one', says('up')),
        container('two', says('up')),
        // It clears the signal by which it would end with podfs (prctl(2)).
        {
          name: 'other-user',
          image: 'debian',
          command:
            `setpriv --reuid 65534 --regid 65534 --clear-groups sleep ${seconds}`.split(
              ' ',
            ),
        },
      ],
    },
  ),
  object.pod(
    { name: 'shared' },
    {
      restartPolicy: 'OnFailure',
      shareProcessNamespace: true,
      containers: [container('one', says('up')), container('two', says('up'))],
    },
  ),
  object.pod(
    { name: 'machines' },
    {
      restartPolicy: 'Always',
      hostPID: true,
      containers: [container('one', says('up'))],
    },
  ),
  object.pod({ name: 'never' }, { containers: [container('one', says('up'))] }),
]

/** The pause process of a Pod, which has said its name to the kernel. */
function pauseOf(ancestor: number, name: string): number {
  const found = descendants(ancestor)
    .filter(pid => {
      const command = commandOf(pid)
      const isPause = command.at(-1) === 'podfs-pause'
      return isPause && command.some(word => word.includes(`'${name}'`))
    })
    // Where the PID namespace is shared, unshare is above it.
    .find(pid => !commandOf(pid)[0]?.endsWith('unshare'))
  if (found === undefined) throw new Error(`${name} has no pause process`)
  return found
}

/** Of the only Pod that is served. */
function shimOf(servePid: number): number {
  const found = processes().find(pid => {
    const [, program, session] = commandOf(pid)
    return (
      program?.endsWith('/pod-shim.cjs') === true &&
      session === `${runtimeDirectory}/serve-${servePid}`
    )
  })
  if (found === undefined) throw new Error('no shim')
  return found
}

/** How often a container has said it. */
function count(run: RunningPodfs, who: string, what: string): number {
  const line = new RegExp(`^${who} +\\| ${what}$`, 'gm')
  return run.stdout().match(line)?.length ?? 0
}

const daemons = (): number[] =>
  processes().filter(pid => {
    const [program, argument] = commandOf(pid)
    return program === 'sleep' && argument === seconds
  })

// Of a failed test: in the machine's PID namespace they would run for years.
t.teardown(() => daemons().forEach(pid => process.kill(pid, 'SIGKILL')))

t.test('kill -9 of pause, then of podfs', { skip }, async t => {
  const dir = t.testdir()
  await writer(dir)('pods.json', list(pods))
  const run = startPodfs(t, [
    'run',
    '--all',
    '-f',
    path.join(dir, 'pods.json'),
    '--log-level=info',
  ])
  const up = async (who: string, times: number): Promise<unknown> =>
    await eventually(() => count(run, who, 'up') === times)
  const all = ['plain/one', 'plain/two', 'shared/one', 'shared/two']
  for (const who of [...all, 'machines/one', 'never/one']) await up(who, 1)

  await t.test('all containers end, and come again', async t => {
    const names = ['plain', 'shared', 'machines', 'never']
    const before = new Map(
      names.map(name => [name, pauseOf(run.pid, name)] as const),
    )
    for (const pause of before.values()) process.kill(pause, 'SIGKILL')
    for (const who of [...all, 'machines/one']) await up(who, 2)
    t.equal(count(run, 'plain/init', 'init'), 2)
    for (const name of ['plain', 'shared', 'machines']) {
      t.not(pauseOf(run.pid, name), before.get(name))
      const changed = `"pod":"${name}","reason":"SandboxChanged"`
      await run.saw(new RegExp(changed), 'stderr')
    }
    // Only those of the new containers, but for the Pod in which nothing is restarted.
    await eventually(() => daemons().length === 6)
    const { stdout } = await podfs(t, ['get', 'pod', 'never'])
    t.match(stdout, / Completed /)
  })

  await t.test('and nothing is left', async t => {
    const left = daemons()
    const cgroups = left.flatMap(cgroupsOf)
    // Each of the Pods that share a PID namespace has them.
    t.ok(cgroups.length >= 2 * hierarchies.length)
    const family = descendants(run.pid).filter(pid => !left.includes(pid))
    run.child.kill('SIGKILL')
    await eventually(() => !family.some(isRunning))
    const next = await podfs(t, ['run', '-f', '-'], {
      input: JSON.stringify(
        object.pod({}, { containers: [container('c', 'echo')] }),
      ),
    })
    t.equal(next.code, 0, next.stderr)
    t.same(daemons(), [])
    t.same(cgroups.filter(existsSync), [])
  })
})

t.test('kill -9 of all that is podfs', { skip }, async t => {
  const input = JSON.stringify(
    object.pod(
      {},
      {
        terminationGracePeriodSeconds: 0,
        containers: [container('c', 'echo up; sleep 1000')],
      },
    ),
  )
  const run = startPodfs(t, ['run', '-f', '-'], { input })
  await run.saw(/up/)
  const directory = `${runtimeDirectory}/run-${run.pid}`
  const all = processesWith(` ${directory} `)
  // Keeper, its watcher, server.
  t.ok(all.length >= 3)
  killAtOnce([run.pid, ...all])
  await eventually(() => !descendants(run.pid).some(isRunning))
  // An ordinary user's have gone with their namespaces.
  t.equal(podfsMounts().length > 0, isRoot)
  const next = startPodfs(t, ['run', '-f', '-'], { input })
  await next.saw(/up/)
  t.notOk(existsSync(directory))
  next.child.kill('SIGTERM')
  await next.ended
  t.strictSame(podfsMounts(), [])
})

t.test('under serve', { skip }, async t => {
  const { start, write, root } = world(t)
  write(
    'web.yaml',
    pod('web', '', { run: 'true', command: says('up'), more: 'hostPID: true' }),
  )
  t.teardown(() => podfs(t, ['unmount', '--lazy', root]))
  const events = async (): Promise<string> => {
    const { stdout } = await podfs(t, ['get', 'events', '--session', root])
    return stdout
  }
  const restarts = async (): Promise<string> => {
    const path = 'jsonpath={.status.containerStatuses[0].restartCount}'
    const args = ['get', 'pod', 'web', '--session', root, '-o', path]
    return (await podfs(t, args)).stdout
  }
  const first = await start()
  const daemonsAre = (pids: readonly number[]): Promise<unknown> =>
    eventually(() => daemons().length === 1 && !pids.some(isRunning))
  await daemonsAre([])
  const shim = shimOf(first.pid)
  const pause = pauseOf(shim, 'web')
  const before = daemons()

  first.child.kill('SIGKILL')
  await first.ended
  t.ok(isRunning(pause), 'it outlives podfs')
  const second = await start()
  t.equal(await restarts(), '0')
  t.same(daemons(), before)

  process.kill(pause, 'SIGKILL')
  await eventually(async () => (await events()).includes('SandboxChanged'))
  await daemonsAre(before)
  await eventually(async () => (await restarts()) === '1')
  t.not(pauseOf(shim, 'web'), pause)

  const killed = [...daemons(), ...descendants(shim), shim]
  const cgroups = daemons().flatMap(cgroupsOf)
  t.equal(cgroups.length, hierarchies.length)
  process.kill(pauseOf(shim, 'web'), 'SIGKILL')
  process.kill(shim, 'SIGKILL')
  // It starts the Pod anew, ten seconds later.
  await daemonsAre(killed)
  await eventually(() => !cgroups.some(existsSync))
  second.child.kill('SIGTERM')
  t.equal((await second.ended).code, 0)
})
