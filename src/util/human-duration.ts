const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const year = 365 * day

/**
 * An age as kubectl prints it: two digits and more of precision while it is young, `5m12s`,
 * `3h`, `4d`. Source: apimachinery, pkg/util/duration/duration.go, HumanDuration.
 */
export function humanDuration(ms: number): string {
  // A clock that was set back a little is no news.
  if (ms <= -2 * second) return '<invalid>'
  if (ms < 0) return '0s'
  const whole = (unit: number): number => Math.floor(ms / unit)
  const two = (
    unit: number,
    word: string,
    part: number,
    partWord: string,
  ): string => {
    const rest = Math.floor((ms % unit) / part)
    return `${whole(unit)}${word}${rest === 0 ? '' : `${rest}${partWord}`}`
  }
  if (ms < 2 * minute) return `${whole(second)}s`
  if (ms < 10 * minute) return two(minute, 'm', second, 's')
  if (ms < 3 * hour) return `${whole(minute)}m`
  if (ms < 8 * hour) return two(hour, 'h', minute, 'm')
  if (ms < 2 * day) return `${whole(hour)}h`
  if (ms < 8 * day) return two(day, 'd', hour, 'h')
  if (ms < 2 * year) return `${whole(day)}d`
  if (ms < 8 * year) return two(year, 'y', day, 'd')
  return `${whole(year)}y`
}
