import { goQuote } from '../go-quote.ts'
import { parseGoDuration } from '../../util/go-duration.ts'

interface Bounds {
  readonly min: number
  readonly max: number
  readonly names?: readonly string[]
}

const months = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')
const days = 'sun mon tue wed thu fri sat'.split(' ')

/** Minute, hour, day of month, month, day of week. */
export const cronFields: readonly Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: months },
  { min: 0, max: 6, names: days },
]

const descriptors: ReadonlySet<string> = new Set(
  'yearly annually monthly weekly daily midnight hourly'
    .split(' ')
    .map(word => `@${word}`),
)

/**
 * What is wrong with the schedule of a CronJob, in the words of the parser that Kubernetes takes
 * (github.com/robfig/cron v3, ParseStandard); undefined: nothing.
 */
export function cronScheduleProblem(schedule: string): string | undefined {
  if (schedule === '') return 'empty spec string'
  if (schedule.startsWith('@')) return descriptorProblem(schedule)
  const fields = schedule.split(/\s+/).filter(Boolean)
  if (fields.length !== cronFields.length)
    return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`
  for (const [i, bounds] of cronFields.entries())
    for (const part of (fields[i] ?? '').split(',').filter(Boolean)) {
      const problem = rangeProblem(part, bounds)
      if (problem !== undefined) return problem
    }
  return undefined
}

function descriptorProblem(schedule: string): string | undefined {
  if (descriptors.has(schedule)) return undefined
  const every = /^@every (.*)$/.exec(schedule)?.[1]
  if (every === undefined) return `unrecognized descriptor: ${schedule}`
  return parseGoDuration(every) === undefined
    ? `failed to parse duration ${schedule}: time: invalid duration ${goQuote(every)}`
    : undefined
}

/** getRange of its parser.go. */
function rangeProblem(part: string, bounds: Bounds): string | undefined {
  const [range = '', step, ...moreSteps] = part.split('/')
  const [low = '', high, ...moreHigh] = range.split('-')
  const isAll = low === '*' || low === '?'
  let start = bounds.min
  let end = bounds.max
  if (!isAll) {
    for (const text of [low, high ?? low]) {
      const problem = numberProblem(text, bounds)
      if (problem !== undefined) return problem
    }
    if (moreHigh.length > 0) return `too many hyphens: ${part}`
    start = numberOf(low, bounds)
    end = numberOf(high ?? low, bounds)
  }
  if (moreSteps.length > 0) return `too many slashes: ${part}`
  if (step !== undefined) {
    const problem = numberProblem(step, { min: 0, max: 0 })
    if (problem !== undefined) return problem
    if (high === undefined) end = bounds.max
  }
  if (start < bounds.min)
    return `beginning of range (${start}) below minimum (${bounds.min}): ${part}`
  if (end > bounds.max)
    return `end of range (${end}) above maximum (${bounds.max}): ${part}`
  if (start > end)
    return `beginning of range (${start}) beyond end of range (${end}): ${part}`
  return step !== undefined && Number(step) === 0
    ? `step of range should be a positive number: ${part}`
    : undefined
}

function numberProblem(text: string, { names = [] }: Bounds) {
  if (names.includes(text.toLowerCase())) return undefined
  if (/^\d+$/.test(text)) return undefined
  return `failed to parse int from ${text}: strconv.Atoi: parsing ${goQuote(text)}: invalid syntax`
}

function numberOf(text: string, { names = [], min }: Bounds): number {
  const at = names.indexOf(text.toLowerCase())
  return at === -1 ? Number(text) : at + min
}
