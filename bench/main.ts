import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Bench } from './bench.ts'
import { describeMachine } from './machine.ts'
import { runNodeClient } from './node-client.ts'
import { renderGrowth } from './report/growth-svg.ts'
import { renderLatencies } from './report/latency-svg.ts'
import { renderMarkdown } from './report/markdown.ts'
import type { Result, Row } from './row.ts'
import { answeredOpens } from './rows/answered-opens.ts'
import { coldRead } from './rows/cold-read.ts'
import { growth } from './rows/growth.ts'
import { idle } from './rows/idle.ts'
import { memory } from './rows/memory.ts'
import { networks } from './rows/networks.ts'
import { publish } from './rows/publish.ts'
import { runPod } from './rows/run-pod.ts'
import { saveToRead } from './rows/save-to-read.ts'
import { start } from './rows/start.ts'
import { users } from './rows/users.ts'
import { warmCalls } from './rows/warm-calls.ts'
import { warmRead } from './rows/warm-read.ts'

/*
 * The benchmark: `npm run bench`, as root, from the repository. It measures and asserts
 * nothing; a missed target is told in docs/performance.md, which a whole run writes, on the
 * node that runs the benchmark.
 */

const rows: readonly Row[] = [
  warmRead,
  answeredOpens,
  warmCalls,
  coldRead,
  publish,
  saveToRead,
  growth,
  start,
  runPod,
  users,
  networks,
  memory,
  idle,
]

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      node: { type: 'string' },
      list: { type: 'boolean', default: false },
    },
  })
  const names = rows.map(({ name }) => name)
  if (values.list) return console.log(names.join('\n'))
  if (values.only !== undefined && !names.includes(values.only))
    throw new Error(`no row ${values.only}; there are: ${names.join(', ')}`)
  if (process.getuid?.() !== 0)
    throw new Error('the benchmark mounts: run it as root')

  const bench = new Bench(Number(values.rounds), values.node)
  endOnSignals(bench)
  const machine = describeMachine(bench.client.language, bench.node)
  console.log(machine.join('\n'))
  const results: Result[] = []
  for (const row of rows)
    if (values.only === undefined || values.only === row.name)
      results.push(await measureRow(bench, row))
  if (values.only !== undefined || values.node !== undefined) return
  writeFileSync(
    'docs/performance.md',
    renderMarkdown({
      machine,
      rounds: bench.rounds,
      lines: results.flatMap(({ lines }) => lines),
    }),
  )
  writeFileSync(
    'docs/performance-latency.svg',
    renderLatencies(results.flatMap(result => result.distributions ?? [])),
  )
  writeFileSync(
    'docs/performance-growth.svg',
    renderGrowth(results.flatMap(result => result.curves ?? [])),
  )
  console.log('\nwrote docs/performance.md')
}

/** A row that fails is one line of the table; the others are measured all the same. */
async function measureRow(bench: Bench, row: Row): Promise<Result> {
  console.log(`\n== ${row.name}`)
  let result: Result
  try {
    result = await row.measure(bench)
  } catch (error) {
    console.error(error)
    const what = `(${row.name})`
    const figure = `failed: ${(error as Error).message.split('\n')[0]}`
    const line = { what, against: '-', target: '-', figure, met: false }
    result = { lines: [line] }
  } finally {
    await bench.close()
  }
  for (const { what, against, target, figure, met } of result.lines) {
    const verdict = met === undefined ? '' : met ? 'met' : 'MISSED'
    console.log(
      `${what}\n   ${figure}\n   against ${against}\n   target ${target}  ${verdict}`,
    )
  }
  return result
}

function endOnSignals(bench: Bench): void {
  let ending = false
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.on(signal, () => {
      if (ending) return
      ending = true
      void bench.close().finally(() => process.exit(status))
    })
}

if (process.argv[2] === 'client') await runNodeClient(process.argv.slice(3))
else await main()
