import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { buildSync } from 'esbuild'
import t from 'tap'
import { escapeMountPath } from '../../src/linux/mountinfo.ts'
import { clearPod } from '../../src/session/clear-pods.ts'
import { descendants } from '../helpers/processes.ts'
import { isAlive, needsRoot } from './sandbox.ts'

t.test('kill -9 of podfs', { skip: needsRoot }, async t => {
  const directory = await mkdtemp('/tmp/podfs-killed-')
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const program = join(directory, 'parent.mjs')
  buildSync({
    entryPoints: ['test/fixtures/sandbox-parent.ts'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: program,
    logLevel: 'warning',
  })
  const parent = spawn(
    process.execPath,
    [program, join(directory, 'scratch')],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  t.teardown(() => parent.kill('SIGKILL'))
  const [line] = (await once(
    createInterface({ input: parent.stdout }),
    'line',
  )) as [string]
  const started = JSON.parse(line) as number[]
  t.equal(started.length, 2)

  const everyone = descendants(parent.pid ?? 0)
  t.ok(everyone.length >= 12, `${everyone.length} processes`)

  parent.kill('SIGKILL')
  const killedAt = performance.now()
  let left = everyone.filter(isAlive)
  // Nothing announces the death of other people's children: look until a second has gone.
  while (left.length > 0 && performance.now() - killedAt < 1000) {
    await delay(5)
    left = everyone.filter(isAlive)
  }
  t.same(left, [], 'leaves no process')
  t.comment(`gone after ${(performance.now() - killedAt).toFixed(0)} ms`)
  // As the next podfs does.
  await clearPod(directory)
  t.notMatch(
    readFileSync('/proc/self/mountinfo', 'utf8'),
    escapeMountPath(directory),
    'and no mount',
  )
})
