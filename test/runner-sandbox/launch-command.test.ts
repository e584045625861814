import t from 'tap'
import { CappedOutput } from '../../src/runner/sandbox/capped-output.ts'
import { toExitStatus } from '../../src/runner/sandbox/exit-status.ts'
import {
  execCommand,
  preludesOf,
  startCommand,
  type Launch,
} from '../../src/runner/sandbox/launch-command.ts'

const tools = {
  setpriv: '/b/setpriv',
  unshare: '/b/unshare',
  nsenter: '/b/nsenter',
  env: '/b/env',
  sh: '/b/sh',
}
const launch: Launch = {
  argv: ['prog', '--', '-x'],
  env: new Map([
    ['PATH', '/x'],
    ['data-1', 'v'],
    ['__proto__', 'p'],
    ['LD_PRELOAD', '/l.so'],
  ]),
  workingDir: '/app',
}

t.test('the chain that starts a program', async t => {
  const { file, args, env } = startCommand(tools, 7, launch)
  t.equal(
    [file, ...args].join(' '),
    '/b/setpriv --pdeathsig KILL -- /b/nsenter --target=7 --mount --uts -- ' +
      '/b/unshare --pid --fork --kill-child --mount-proc --propagation=unchanged --wd=/app -- ' +
      '/b/env -- LD_PRELOAD=/l.so prog -- -x',
  )
  t.same(Object.entries(env), [
    ['PATH', '/x'],
    ['data-1', 'v'],
    ['__proto__', 'p'],
  ])
})

t.test('a user is followed by a new parent-death signal', async t => {
  const user = { uid: 5, gid: 6, supplementalGroups: [7, 8] }
  const { args } = startCommand(tools, 7, { ...launch, env: new Map(), user })
  t.match(
    args.join(' '),
    '-- /b/setpriv --reuid=5 --regid=6 --groups=7,8 --inh-caps=-all -- /b/setpriv --pdeathsig KILL -- prog -- -x',
  )
  const alone = { uid: 5, gid: 6, supplementalGroups: [] }
  t.ok(
    startCommand(tools, 7, { ...launch, user: alone }).args.includes(
      '--clear-groups',
    ),
  )
})

t.test('the chain of an exec', async t => {
  const { args } = execCommand(tools, 9, { ...launch, env: new Map() })
  t.match(
    args.join(' '),
    '/b/nsenter --target=9 --mount --uts --pid -- /b/unshare --wd=/app -- prog -- -x',
  )
})

t.test('preludes are what PID 1 is before it is the program', async t => {
  const preludes = preludesOf(startCommand(tools, 7, launch), launch.argv)
  t.ok(preludes.has('/b/env\0--\0LD_PRELOAD=/l.so\0prog\0--\0-x\0'))
  t.notOk(preludes.has('prog\0--\0-x\0'))
})

t.same(toExitStatus(3, null), { exitCode: 3 })
t.same(toExitStatus(null, 'SIGTERM'), { exitCode: 143, signal: 'SIGTERM' })

t.test('output is capped across chunks', async t => {
  const output = new CappedOutput(5)
  for (const text of ['abc', 'def', 'ghi']) output.add(Buffer.from(text))
  t.equal(output.toString(), 'abcde')
})
