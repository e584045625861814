import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { needsNamespace } from '../helpers/capability.ts'
import { containerUsage } from '../../src/server/container-usage.ts'
import { systemClock } from '../../src/util/clock.ts'
import { eventually } from '../helpers/podfs.ts'

/** A shell that is the first process of a PID namespace; gives its pid. */
async function startContainer(t: Test, script: string): Promise<number> {
  const monitor = spawn(
    'unshare',
    ['--pid', '--fork', '--kill-child', 'sh', '-c', script],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.teardown(async () => {
    monitor.kill('SIGKILL')
    await once(monitor, 'exit')
  })
  await once(monitor.stdout, 'data')
  return await eventually(() => {
    const file = `/proc/${monitor.pid}/task/${monitor.pid}/children`
    const pid = Number(readFileSync(file, 'utf8').trim())
    return pid > 0 && pid
  })
}

t.test(
  'what a container uses, its processes that come and go included',
  { skip: needsNamespace() },
  async t => {
    const few = 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done'
    const scripts = {
      idle: 'echo; sleep 1000',
      busy: 'echo; while :; do :; done',
      // None of these is there in both looks.
      children: `echo; while :; do sh -c '${few}'; done`,
      // In a session and a PID namespace of its own.
      nested: "echo; setsid unshare --pid --fork sh -c 'while :; do :; done'",
    }
    const pids = new Map<string, number>()
    for (const [name, script] of Object.entries(scripts))
      pids.set(name, await startContainer(t, script))
    const usages = await containerUsage(
      // The last one is gone.
      [...pids.values(), 2 ** 22 - 1],
      systemClock,
    )
    t.equal(usages.size, 4)
    for (const [name, pid] of pids) {
      const usage = usages.get(pid)
      t.ok(usage !== undefined && usage.memoryBytes > 0, `memory of ${name}`)
      const cores = (usage?.cpuNanos ?? 0) / 1e9
      if (name === 'idle') t.equal(cores, 0)
      // Other work shares the processors with the tests.
      else t.ok(cores > 0.02 && cores < 1.5, `${name}: ${cores} cores`)
    }
  },
)
