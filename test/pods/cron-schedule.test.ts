import t from 'tap'
import { cronScheduleProblem } from '../../src/api/validation/cron-schedule.ts'
import { cronSchedule } from '../../src/pods/cron-schedule.ts'

/*
 * The schedules of CronJobs, as github.com/robfig/cron v3 takes them.
 */

const start = Date.UTC(2026, 0, 1, 0, 0, 30)

/** The first three times, without the year. */
function times(schedule: string, timeZone?: string): string[] {
  const cron = cronSchedule({
    schedule,
    replaces: false,
    suspend: false,
    ...(timeZone !== undefined && { timeZone }),
  })
  const found: number[] = [start]
  for (let i = 0; i < 3; i++)
    found.push(cron.next(found.at(-1) ?? 0, found.at(-1) ?? 0))
  return found.slice(1).map(time => new Date(time).toISOString().slice(5, -5))
}

t.test('when it is due', async t => {
  const cases = [
    ['* * * * *', '01-01T00:01:00 01-01T00:02:00 01-01T00:03:00'],
    ['30 3 * * *', '01-01T03:30:00 01-02T03:30:00 01-03T03:30:00'],
    ['5/20 * * * *', '01-01T00:05:00 01-01T00:25:00 01-01T00:45:00'],
    ['0 0 ? * MON', '01-05T00:00:00 01-12T00:00:00 01-19T00:00:00'],
    ['0 0 13 * FRI', '01-02T00:00:00 01-09T00:00:00 01-13T00:00:00'],
    ['0 12 1-3 jan-feb *', '01-01T12:00:00 01-02T12:00:00 01-03T12:00:00'],
    ['@hourly', '01-01T01:00:00 01-01T02:00:00 01-01T03:00:00'],
    ['@midnight', '01-02T00:00:00 01-03T00:00:00 01-04T00:00:00'],
    ['@every 1h30m', '01-01T01:30:30 01-01T03:00:30 01-01T04:30:30'],
  ] as const
  for (const [schedule, wanted] of cases)
    t.equal(times(schedule, 'Etc/UTC').join(' '), wanted, schedule)
  t.equal(times('0 3 * * *', 'Asia/Tokyo')[0], '01-01T18:00:00')
})

t.test('when it was due last', async t => {
  const cron = cronSchedule({
    schedule: '*/10 * * * *',
    timeZone: 'Etc/UTC',
    replaces: false,
    suspend: false,
  })
  const last = (since: number, now: number) => cron.last(since, now)
  const at = (minutes: number): number => Date.UTC(2026, 0, 1, 0, minutes)
  t.equal(last(at(0), at(9)), undefined)
  t.equal(last(at(0), at(10)), at(10), 'now')
  t.equal(last(at(0), at(10) - 1), undefined)
  t.equal(last(at(0), at(39)), at(30))
  t.equal(last(at(30), at(39)), undefined, 'it was that')
})

t.test('what is none', async t => {
  const cases = [
    ['* * * * *', undefined],
    ['0 0 1 1 0', undefined],
    ['*/5,30-40/2 0-5 ? JAN Mon-Fri', undefined],
    ['@every 5m', undefined],
    ['', 'empty spec string'],
    ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
    ['60 * * * *', 'end of range (60) above maximum (59): 60'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
    ['* * * * 7', 'end of range (7) above maximum (6): 7'],
    ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
    ['*/0 * * * *', 'step of range should be a positive number: */0'],
    ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
    ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
    [
      'x * * * *',
      'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax',
    ],
    ['@often', 'unrecognized descriptor: @often'],
    [
      '@every day',
      'failed to parse duration @every day: time: invalid duration "day"',
    ],
  ] as const
  for (const [schedule, problem] of cases)
    t.equal(cronScheduleProblem(schedule), problem, schedule)
})
