/* After `npm test`: the ten files that took longest, so that a slow one is seen when it comes. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const results = '.tap/test-results'
const times = readdirSync(results, { recursive: true })
  .filter(name => name.endsWith('.tap'))
  .map(name => ({
    file: name.replace(/\.tap$/, ''),
    seconds:
      Number(
        readFileSync(join(results, name), 'utf8').match(
          /^# time=([\d.]+)ms$/m,
        )?.[1] ?? 0,
      ) / 1000,
  }))
  .toSorted((a, b) => b.seconds - a.seconds)

console.log('\nThe slowest files:')
for (const { file, seconds } of times.slice(0, 10))
  console.log(`${seconds.toFixed(1).padStart(6)} s  ${file}`)
