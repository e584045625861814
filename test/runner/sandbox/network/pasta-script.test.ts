import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { pastaScript } from '../../../../src/runner/sandbox/network/pasta-network.ts'
import { needsNamespace } from '../../../helpers/capability.ts'

/* Who ends with whom, where no parent-death signal comes: podfs may die before one is asked for. */

/** In a PID namespace of its own; `program` stands for pasta, and finds `$file`. */
function start(t: Test, program: string) {
  const directory = path.join(t.testdir({ sandbox: {} }), 'sandbox')
  const file = path.join(directory, 'pid')
  const child = spawn(
    'unshare',
    [
      ['--pid', '--fork', '--', 'sh', '-c', pastaScript, 'podfs-pasta'],
      [file, '', 'sh', '-c', program],
    ].flat(),
    {
      env: { PATH: process.env['PATH'], file },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  t.teardown(() => child.kill('SIGKILL'))
  // Also of all that it has started: they have the pipe.
  return { child, directory, closed: once(child, 'close') }
}

const serves = 'echo $$ >"$file"; exec sleep 1000'

t.test('what runs pasta', { skip: needsNamespace() }, async t => {
  await t.test('ends with podfs', async t => {
    const { child, closed } = start(t, serves)
    t.equal(String((await once(child.stdout, 'data'))[0]), 'ready\n')
    child.stdin.end()
    await closed
  })
  await t.test('ends with pasta', async t => {
    const { child, closed } = start(t, 'echo $$ >"$file"; exec sleep 0.3')
    await once(child.stdout, 'data')
    await closed
  })
  await t.test('and when pasta ends before it serves', async t => {
    const { closed } = start(t, 'exit 3')
    t.same((await closed)[0], 1)
  })
  await t.test('ends with its directory, before pasta serves', async t => {
    const { child, directory, closed } = start(t, 'echo up; exec sleep 1000')
    await once(child.stdout, 'data')
    rmSync(directory, { recursive: true })
    await closed
  })
})
