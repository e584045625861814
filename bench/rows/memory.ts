import { setTimeout as delay } from 'node:timers/promises'
import type { Bench } from '../bench.ts'
import { commandOf, processesBelow, pssOf } from '../memory.ts'
import type { Result, Row } from '../row.ts'
import { median } from '../statistics.ts'
import { mountCommand } from '../trees/command.ts'

const IDLE_MS = 3000
const TARGET_MIB = 120

/** After the start, when nothing happens and the standby has been started. */
export const memory: Row = { name: 'memory', measure }

async function measure(bench: Bench): Promise<Result> {
  const sums: number[] = []
  let parts = ''
  for (let round = 0; round < bench.rounds; round++) {
    const tree = await mountCommand(bench, { keys: 10 })
    bench.defer(() => tree.close())
    await delay(IDLE_MS)
    const pids = processesBelow(tree.pid)
    sums.push(pssOf(pids))
    parts = pids
      .map(pid => `${commandOf(pid)} ${pssOf([pid]).toFixed(0)}`)
      .join(', ')
    await tree.close()
  }
  return {
    lines: [
      {
        what: 'memory (PSS), idle, all processes of one mount, standby included',
        against: '-',
        target: `under ${TARGET_MIB} MB`,
        figure: `${median(sums).toFixed(0)} MB (${parts})`,
        met: median(sums) * 1.048576 < TARGET_MIB,
      },
    ],
  }
}
