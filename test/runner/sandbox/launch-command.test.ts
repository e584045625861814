import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { allCapabilities } from '../../../src/linux/capabilities.ts'
import type { ProcessLabels } from '../../../src/runner/sandbox/container-runtime.ts'
import { CappedOutput } from '../../../src/runner/sandbox/capped-output.ts'
import { toExitStatus } from '../../../src/runner/sandbox/exit-status.ts'
import {
  execCommand,
  preludesOf,
  startCommand,
  type HostCommand,
  type Launch,
} from '../../../src/runner/sandbox/launch-command.ts'

const tools = {
  setpriv: '/b/setpriv',
  unshare: '/b/unshare',
  nsenter: '/b/nsenter',
  env: '/b/env',
  sh: '/b/sh',
  capabilities: allCapabilities,
}
const own = { ipc: 'pod', pid: 'container' } as const
const pause = { pid: 6, config: own }
const launch: Launch = {
  argv: ['prog', '--', '-x'],
  env: new Map([
    ['PATH', '/x'],
    ['data-1', 'v'],
    ['__proto__', 'p'],
    ['LD_PRELOAD', '/l.so'],
  ]),
  workingDir: '/app',
  capabilities: allCapabilities,
  masked: false,
}

const bare = { ...launch, env: new Map() }
const user = { uid: 5, gid: 6, supplementalGroups: [] }
const unset = '-uPATH -uLC_ALL -uPWD -uOLDPWD -uSHLVL -u_'

t.test('the chain that starts a program', async t => {
  const { file, args, env } = startCommand(tools, 7, pause, launch)
  t.equal(
    [file, ...args].join(' '),
    '/b/setpriv --pdeathsig KILL -- /b/nsenter --target=7 --mount --uts --ipc -- ' +
      '/b/unshare --pid --fork --kill-child --mount-proc --propagation=unchanged --wd=/app -- ' +
      `/b/env -S ${unset} -ua0 -ua1 -ua2 -ua3 ` +
      '"PATH=${a0}" "data-1=${a1}" "__proto__=${a2}" "LD_PRELOAD=${a3}" ' +
      'prog -- -x',
  )
  t.same(Object.entries(env).slice(2), [
    ['a0', '/x'],
    ['a1', 'v'],
    ['a2', 'p'],
    ['a3', '/l.so'],
  ])
})

t.test('variables by the thousand', async t => {
  const names = Array.from({ length: 8000 }, (_, i) => `VARIABLE_${i}"$\\`)
  const env = new Map(names.map(name => [name, name]))
  const [env1, env2] = await Promise.all(
    [bare, { ...bare, env }].map(async launch => {
      const { file, args, env } = startCommand(
        { ...tools, setpriv: 'env', nsenter: 'env', env: '/usr/bin/env' },
        7,
        pause,
        launch,
      )
      // Without the namespaces: what comes after unshare.
      const command = args.slice(args.lastIndexOf('--wd=/app') + 2)
      t.equal(file, 'env')
      t.ok(args.every(arg => arg.length < 128 * 1024))
      const words = [...command.slice(0, -3), process.execPath, '-p']
      const [program = '', ...rest] = words
      const { stdout } = await promisify(execFile)(
        program,
        [...rest, 'JSON.stringify(process.env)'],
        { env, maxBuffer: 1 << 24 },
      )
      return JSON.parse(stdout) as object
    }),
  )
  t.same(env1, {})
  t.same(env2, Object.fromEntries(env))
})

t.test('what is not to be seen of /proc is covered first', async t => {
  const { args } = startCommand(tools, 7, pause, { ...bare, masked: true })
  t.match(
    args.join(' '),
    /--wd=\/app -- \/b\/sh -c mount -n -a -T \/proc\/self\/fd\/3 [^]* podfs-start \/b\/env -S/,
  )
})

t.test('no new privileges', async t => {
  const none = { ...bare, noNewPrivileges: true } as const
  const text = ({ args }: HostCommand): string => args.join(' ')
  t.match(
    text(startCommand(tools, 7, pause, none)),
    '--wd=/app -- /b/setpriv --no-new-privs -- /b/env',
  )
  t.match(
    text(startCommand(tools, 7, pause, { ...none, user })),
    '--inh-caps=-all --no-new-privs -- /b/setpriv --pdeathsig KILL -- /b/env',
  )
  t.match(
    text(execCommand(tools, 9, pause.config, none)),
    '/b/setpriv --no-new-privs -- /b/unshare --root=.',
  )
})

t.test(
  'labels come with the exec of the program, and of nothing else',
  async t => {
    const seLinux = 'u:r:container_t:s0'
    const appArmor = { aaExec: '/b/aa-exec', profile: 'deny write' }
    const ends = (labels: ProcessLabels, ...words: string[]): void => {
      const labelled = { ...launch, labels }
      const start = startCommand(tools, 7, pause, labelled)
      const exec = execCommand(tools, 9, own, labelled)
      const inCgroup = execCommand(tools, 9, own, {
        ...labelled,
        cgroup: ['/c'],
      })
      const last = [...words, ...launch.argv]
      for (const { args } of [start, exec, inCgroup])
        t.same(args.slice(-last.length), last)
      t.match(start.args.at(-last.length - 1), /"LD_PRELOAD=\$\{a3\}"$/)
      t.equal(exec.args.at(-last.length - 1), 'LD_PRELOAD=/l.so')
      t.ok(preludesOf(start, launch.argv).has(last.map(w => `${w}\0`).join('')))
    }
    ends({ appArmor }, '/b/aa-exec', '-p', 'deny write', '--')
    ends({ seLinux }, '/b/setpriv', `--selinux-label=${seLinux}`, '--')
  },
)

t.test('a program that shares its PID namespace', async t => {
  const within = (pid: 'pod' | 'node'): string =>
    startCommand(
      tools,
      7,
      { pid: 6, config: { ipc: 'pod', pid } },
      { ...launch, env: new Map() },
    ).args.join(' ')
  t.match(
    within('pod'),
    '--ipc --no-fork --pid=/proc/6/ns/pid -- /b/unshare --fork --kill-child --mount-proc ',
  )
  t.match(
    within('node'),
    '--ipc -- /b/unshare --fork --kill-child --mount-proc ',
  )
})

t.test('a program has the capabilities of its container', async t => {
  const few = {
    ...launch,
    env: new Map(),
    capabilities: ['CHOWN', 'SYS_CHROOT'] as const,
  }
  t.match(
    startCommand(tools, 7, pause, few).args.join(' '),
    '--wd=/app -- /b/setpriv --bounding-set=-all,+chown,+sys_chroot -- /b/env -S',
  )
  t.match(
    startCommand(tools, 7, pause, { ...few, user }).args.join(' '),
    '--wd=/app -- /b/setpriv --reuid=5 --regid=6 --clear-groups --inh-caps=-all --bounding-set=-all,+chown,+sys_chroot -- ' +
      '/b/setpriv --pdeathsig KILL -- /b/env -S',
  )
})

t.test('a user is followed by a new parent-death signal', async t => {
  const user = { uid: 5, gid: 6, supplementalGroups: [7, 8] }
  const { args } = startCommand(tools, 7, pause, {
    ...launch,
    env: new Map(),
    user,
  })
  t.match(
    args.join(' '),
    '-- /b/setpriv --reuid=5 --regid=6 --groups=7,8 --inh-caps=-all -- /b/setpriv --pdeathsig KILL -- /b/env -S',
  )
  const alone = { uid: 5, gid: 6, supplementalGroups: [] }
  t.ok(
    startCommand(tools, 7, pause, { ...launch, user: alone }).args.includes(
      '--clear-groups',
    ),
  )
})

t.test('the chain of an exec', async t => {
  const enter =
    '/b/nsenter --target=9 --mount --uts --ipc --pid --root=/ --wd=/proc/9/root -- '
  t.equal(
    execCommand(tools, 9, own, bare).args.join(' '),
    `--pdeathsig KILL -- ${enter}/b/unshare --root=. --wd=/app -- prog -- -x`,
  )
  const none = { ...bare, capabilities: [] }
  t.equal(
    execCommand(tools, 9, own, none).args.join(' '),
    `--pdeathsig KILL --inh-caps=-all,+sys_chroot,+net_broadcast -- ${enter}` +
      '/b/setpriv --bounding-set=-all -- /b/unshare --root=. --wd=/app -- ' +
      '/b/setpriv --inh-caps=-all -- prog -- -x',
  )
  t.match(
    execCommand(tools, 9, own, { ...none, user }).args.join(' '),
    '--inh-caps=-all,+sys_chroot,+net_broadcast,+setuid,+setgid -- ',
  )
  t.notMatch(
    execCommand({ ...tools, capabilities: [] }, 9, own, none).args.join(' '),
    /--inh-caps=.*nsenter/,
  )
})

t.test(
  'a network of the Pod’s own is entered, the machine’s is not',
  async t => {
    const network = {
      provider: { kind: 'cni', binDirs: [], directory: '/n' },
      namespace: 'default',
      name: 'p',
      uid: 'u',
      ports: [],
      portMappings: [],
    } as const
    const within = { ...own, network }
    const { args } = startCommand(tools, 7, { pid: 6, config: within }, launch)
    t.match(args.join(' '), '--mount --uts --ipc --net -- ')
    t.match(
      execCommand(tools, 9, within, launch).args.join(' '),
      '--mount --uts --ipc --net --pid --root=/ ',
    )
  },
)

t.test('an exec with streams dies with its nsenter', async t => {
  const bare = { ...launch, env: new Map() }
  const ends = '--wd=/proc/9/root -- /b/setpriv --pdeathsig KILL -- '
  t.match(
    execCommand(tools, 9, own, bare, { dies: true }).args.join(' '),
    `${ends}/b/unshare --root=. --wd=/app -- prog`,
  )
  t.match(
    execCommand(tools, 9, own, bare, {
      dies: true,
      setsid: '/b/setsid',
    }).args.join(' '),
    `${ends}/b/setsid --ctty -- /b/unshare --root=. --wd=/app -- prog`,
    'and is the leader of a session before its root is the container’s',
  )
})

t.test('preludes are what PID 1 is before it is the program', async t => {
  const preludes = preludesOf(
    startCommand(tools, 7, pause, launch),
    launch.argv,
  )
  t.ok(
    [...preludes].some(line => /^\/b\/env\0-S\0.*\0prog\0--\0-x\0$/.test(line)),
  )
  t.notOk(preludes.has('prog\0--\0-x\0'))
})

t.same(toExitStatus(3, null), { exitCode: 3 })
t.same(toExitStatus(null, 'SIGTERM'), { exitCode: 143, signal: 'SIGTERM' })

t.test('output is capped across chunks', async t => {
  const output = new CappedOutput(5)
  for (const text of ['abc', 'def', 'ghi']) output.add(Buffer.from(text))
  t.equal(output.toString(), 'abcde')
})
