import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { sendSignal } from '../../src/linux/send-signal.ts'
import { systemdOf } from '../../src/session/systemd.ts'
import { silentLogger } from '../../src/util/logger.ts'
import {
  cannotStart,
  capability,
  isRoot,
  needsRoot,
} from '../helpers/capability.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { openNotifySocket } from '../helpers/notify-socket.ts'
import { startPodfs, runtimeDirectory } from '../helpers/podfs.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'

const skip = capability('systemd-notify') || capability('python3')

function systemdWith(variables: NodeJS.ProcessEnv, clock = new FakeClock()) {
  const env = { PATH: process.env['PATH'], ...variables }
  return {
    env,
    clock,
    systemd: systemdOf({ env, clock, logger: silentLogger }),
  }
}

let names = 0

function abstractName(): string {
  names += 1
  return `@podfs-test-${process.pid}-${names}`
}

const addresses: readonly {
  name: string
  address: (t: Test) => string | Promise<string>
}[] = [
  {
    name: 'a path',
    address: async t => path.join(await makeTmpfsDirectory(t), 'notify'),
  },
  { name: 'an abstract name', address: () => abstractName() },
]
for (const { name, address } of addresses)
  t.test(
    `speaks to ${name}, in order and in its own name`,
    // systemd-notify(1): in another process's name only root may speak.
    { skip: skip || needsRoot('user') },
    async t => {
      const socketAddress = await address(t)
      const socket = await openNotifySocket(t, socketAddress)
      const { env, systemd } = systemdWith({ NOTIFY_SOCKET: socketAddress })
      t.notOk('NOTIFY_SOCKET' in env, 'children do not get it')

      systemd.status('2 volumes\nREADY=0')
      systemd.ready()
      systemd.reloading()
      systemd.ready()
      systemd.stopping()

      t.match(await socket.next(), {
        pid: process.pid,
        assignments: ['STATUS=2 volumes READY=0'],
      })
      t.match(await socket.next(), {
        pid: process.pid,
        assignments: ['READY=1'],
      })
      const { usec, assignments } = await socket.next()
      t.match(assignments, ['RELOADING=1', /^MONOTONIC_USEC=\d+$/])
      const began = Number(assignments[1]?.split('=')[1])
      t.ok(began <= usec && began > usec - 60_000_000, 'on the monotonic clock')
      t.same((await socket.next()).assignments, ['READY=1'])
      t.same((await socket.next()).assignments, [
        'STOPPING=1',
        'STATUS=stopping',
      ])
    },
  )

t.test(
  'one that cannot be sent keeps none from being sent',
  { skip },
  async t => {
    const address = abstractName()
    const socket = await openNotifySocket(t, address)
    const { systemd } = systemdWith({ NOTIFY_SOCKET: address })
    // No program takes such an argument: E2BIG, which spawn throws.
    systemd.status('x'.repeat(200_000))
    systemd.ready()
    t.same((await socket.next()).assignments, ['READY=1'])
  },
)

t.test(
  'of several states that wait the last one is told',
  { skip },
  async t => {
    const address = abstractName()
    const socket = await openNotifySocket(t, address)
    const { systemd } = systemdWith({ NOTIFY_SOCKET: address })
    for (let i = 0; i < 100; i++) systemd.status(`${i} Pods`)
    systemd.ready()
    t.same((await socket.next()).assignments, ['STATUS=99 Pods'])
    t.same((await socket.next()).assignments, ['READY=1'])
  },
)

t.test(
  'the watchdog is fed at half of its time, while podfs is alive',
  { skip },
  async t => {
    const address = abstractName()
    const socket = await openNotifySocket(t, address)
    const { env, clock, systemd } = systemdWith({
      NOTIFY_SOCKET: address,
      WATCHDOG_USEC: '10000000',
      WATCHDOG_PID: String(process.pid),
    })
    t.same(Object.keys(env), ['PATH'])
    let looks = 0
    let isAlive = true
    systemd.feedWatchdog(() => {
      looks += 1
      return isAlive ? Promise.resolve() : Promise.reject(new Error('no'))
    })
    await clock.advance(4999)
    t.equal(looks, 0)
    await clock.advance(1)
    t.same((await socket.next()).assignments, ['WATCHDOG=1'])
    await clock.advance(5000)
    t.same((await socket.next()).assignments, ['WATCHDOG=1'])

    isAlive = false
    await clock.advance(7500)
    t.equal(looks, 2 + 3, 'looks again each second')
    systemd.status('nothing came in between')
    t.same((await socket.next()).assignments, [
      'STATUS=nothing came in between',
    ])
    isAlive = true
    await clock.advance(1000)
    t.same((await socket.next()).assignments, ['WATCHDOG=1'])

    systemd.stopping()
    t.same((await socket.next()).assignments, ['STOPPING=1', 'STATUS=stopping'])
    await clock.advance(60_000)
    t.equal(clock.pending, 0, 'never again')
  },
)

t.test("another process's watchdog is not fed", async t => {
  const { clock, systemd } = systemdWith({
    NOTIFY_SOCKET: '/nowhere',
    WATCHDOG_USEC: '1000000',
    WATCHDOG_PID: '1',
  })
  systemd.feedWatchdog(() => Promise.resolve())
  t.equal(clock.pending, 0)
})

t.test('without systemd no process and no timer is started', async t => {
  const bin = t.testdir({})
  const trace = path.join(bin, 'trace')
  writeFileSync(
    path.join(bin, 'systemd-notify'),
    `#!/bin/sh\necho "$@" >>${trace}\n`,
    { mode: 0o755 },
  )
  const { clock, systemd } = systemdWith({ PATH: bin, WATCHDOG_USEC: '1000' })
  systemd.ready()
  systemd.status('x')
  systemd.feedWatchdog(() => Promise.resolve())
  systemd.stopping()
  await new Promise(resolve => setTimeout(resolve, 100))
  t.notOk(existsSync(trace))
  t.equal(clock.pending, 0)
})

t.test(
  'podfs mount tells how it is, and whether its file server answers',
  { skip: skip || cannotStart() },
  async t => {
    const dir = t.testdir({ conf: { colour: 'blue' } })
    const address = abstractName()
    const socket = await openNotifySocket(t, address)
    const mountpoint = path.join(dir, 'mnt')
    const run = startPodfs(t, ['mount', path.join(dir, 'conf'), mountpoint], {
      env: { NOTIFY_SOCKET: address, WATCHDOG_USEC: '200000' },
    })
    // See above: an ordinary user's is systemd-notify's own.
    const pid = isRoot ? run.pid : Number
    t.match(await socket.next(), { pid, assignments: ['READY=1'] })
    t.equal(readFileSync(path.join(mountpoint, 'colour'), 'utf8'), 'blue')
    t.match(await socket.next(), {
      assignments: [`STATUS=serving 1 volume at ${mountpoint}`],
    })
    t.match(await socket.next(), { pid, assignments: ['WATCHDOG=1'] })

    const keeper = Number(
      readFileSync(`${runtimeDirectory}/mount-${run.pid}/keeper.pid`),
    )
    t.notMatch(
      readFileSync(`/proc/${keeper}/environ`, 'latin1'),
      /NOTIFY_SOCKET|WATCHDOG/,
      'children do not get it',
    )
    const servers = readFileSync(
      `/proc/${keeper}/task/${keeper}/children`,
      'latin1',
    )
      .trim()
      .split(' ')
      .map(Number)
    for (const pid of servers) process.kill(pid, 'SIGSTOP')
    // On a loaded machine some are on their way.
    const silence = Symbol('silence')
    let message = socket.next()
    let got: unknown
    for (let late = 0; got !== silence && late < 20; late++) {
      if (got !== undefined) message = socket.next()
      const wait = new Promise(resolve => setTimeout(resolve, 1000, silence))
      got = await Promise.race([message, wait])
    }
    t.equal(got, silence, 'a file server that does not answer is no progress')
    // On a loaded machine they may have been replaced by now.
    for (const pid of servers) sendSignal(pid, 'SIGCONT')
    t.match(await message, { assignments: ['WATCHDOG=1'] })

    run.child.kill('SIGTERM')
    for (;;) {
      const { assignments } = await socket.next()
      if (assignments[0] === 'WATCHDOG=1') continue
      t.same(assignments, ['STOPPING=1', 'STATUS=stopping'])
      break
    }
    t.equal((await run.ended).code, 0)
  },
)
