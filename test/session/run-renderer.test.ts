import t, { type Test } from 'tap'
import { rendererBy } from '../../src/session/run-renderer.ts'
import { systemClock } from '../../src/util/clock.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { eventually, isRunning } from '../helpers/podfs.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'
import { readFile } from 'node:fs/promises'

const sh = (script: string, ...args: string[]) => ({
  program: 'sh',
  args: ['-c', script, 'sh', ...args],
})

/** A script that says its own pid and that of what it has started, and waits. */
async function waiting(t: Test) {
  const file = `${await makeTmpfsDirectory(t)}/pids`
  return {
    command: sh(
      'sleep 1000000 & echo $$ $! >"$1.new"; mv "$1.new" "$1"; wait',
      file,
    ),
    pids: () =>
      eventually(async () => {
        const text = await readFile(file, 'utf8').catch(() => '')
        return text !== '' && text.trim().split(' ').map(Number)
      }),
  }
}

t.test('what it prints, and what it says', async t => {
  const run = rendererBy(systemClock)
  const { signal } = new AbortController()
  t.match(await run(sh('cat; echo made; echo careful >&2'), signal), {
    kind: 'rendered',
    output: Buffer.from('made\n'),
    words: 'careful\n',
  })
  t.match(await run(sh('echo part; echo wrong >&2; exit 3'), signal), {
    kind: 'failed',
    words: 'wrong\n',
  })
  t.match(await run(sh('exit 3'), signal), {
    kind: 'failed',
    words: 'ended by exit code 3',
  })
  t.match(await run(sh('kill -9 $$'), signal), {
    kind: 'failed',
    words: 'ended by SIGKILL',
  })
  t.match(await run({ program: 'no-such-program', args: [] }, signal), {
    kind: 'missing',
  })
  t.match(await run(sh('exec cat /dev/zero'), signal), {
    kind: 'failed',
    words: /more than \d+ bytes/,
  })
})

t.test('one that does not end is ended, with what it has started', async t => {
  const clock = new FakeClock()
  const { command, pids } = await waiting(t)
  const running = rendererBy(clock)(command, new AbortController().signal)
  const all = await pids()
  await clock.advance(119_000)
  t.ok(all.every(isRunning))
  await clock.advance(2000)
  t.match(await running, { kind: 'failed', words: 'not done after 120 s' })
  await eventually(() => !all.some(isRunning))
})

t.test('the same when podfs ends', async t => {
  const abort = new AbortController()
  const { command, pids } = await waiting(t)
  const running = rendererBy(systemClock)(command, abort.signal)
  const all = await pids()
  abort.abort()
  t.match(await running, { kind: 'failed' })
  await eventually(() => !all.some(isRunning))
  t.match(await rendererBy(systemClock)(command, abort.signal), {
    kind: 'failed',
  })
})
