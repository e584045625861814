import { Cron } from 'croner'
import type { CronRules } from '../api/types.ts'
import { cronFields } from '../api/validation/cron-schedule.ts'
import { parseGoDuration } from '../util/go-duration.ts'

/** When something is due; all times are milliseconds since 1970. */
export interface Schedule {
  /** The first time after `now`, of those that began at `since`; Infinity: there is none. */
  next(since: number, now: number): number
  /** The last time after `since` that is not after `now`. */
  last(since: number, now: number): number | undefined
}

/** The time-table of a CronJob. Its text and its time zone are valid. */
export function cronSchedule({ schedule, timeZone }: CronRules): Schedule {
  const every = /^@every (.*)$/.exec(schedule)?.[1]
  if (every !== undefined) return everySo(parseGoDuration(every) ?? 0)
  const cron = new Cron(patternOf(schedule), {
    paused: true,
    ...(timeZone !== undefined && { timezone: timeZone }),
  })
  return {
    next: (_, now) => cron.nextRun(new Date(now))?.getTime() ?? Infinity,
    last: (since, now) =>
      cron
        .previousRuns(2, new Date(now + second))
        .map(time => time.getTime())
        .find(time => time <= now && time > since),
  }
}

const second = 1000

/** ConstantDelaySchedule of the parser that Kubernetes takes: whole seconds, one at least. */
function everySo(durationMs: number): Schedule {
  const delayMs = Math.max(1, Math.floor(durationMs / second)) * second
  const times = (since: number, now: number): number =>
    Math.max(0, Math.floor((now - since) / delayMs))
  return {
    next: (since, now) => since + (times(since, now) + 1) * delayMs,
    last: (since, now) =>
      times(since, now) > 0 ? since + times(since, now) * delayMs : undefined,
  }
}

/** What the two parsers write differently: `?` is `*`, and `5/15` is `5-59/15`. */
function patternOf(schedule: string): string {
  if (schedule.startsWith('@')) return schedule.replace('@midnight', '@daily')
  const fields = schedule.split(/\s+/).filter(Boolean)
  return fields
    .map((field, i) =>
      field
        .split(',')
        .filter(Boolean)
        .map(part => {
          const [range = '', step] = part.replace('?', '*').split('/')
          const isOne = step !== undefined && !/[*-]/.test(range)
          const whole = isOne ? `${range}-${cronFields[i]?.max}` : range
          return step === undefined ? whole : `${whole}/${step}`
        })
        .join(','),
    )
    .join(' ')
}
