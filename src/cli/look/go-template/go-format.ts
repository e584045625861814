import { goQuote } from '../../../api/go-quote.ts'
import {
  isMap,
  isSlice,
  kindOf,
  numberOf,
  typeOf,
  type GoValue,
} from './go-value.ts'

/*
 * The part of Go's package fmt that a template of kubectl can reach.
 */

/** `%v`. */
export function formatValue(value: GoValue): string {
  if (isSlice(value)) return `[${value.map(formatValue).join(' ')}]`
  if (isMap(value))
    return `map[${Object.keys(value)
      .sort()
      .map(key => `${key}:${formatValue(value[key])}`)
      .join(' ')}]`
  if (value === undefined || value === null) return '<nil>'
  if (kindOf(value) === 'float') return formatFloat(numberOf(value))
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** `%g` of strconv, as short as it can be: with an exponent from a million on. */
function formatFloat(value: number): string {
  const [digits = '', power = '0'] = value.toExponential().split('e')
  const exponent = Number(power)
  if (exponent >= -4 && exponent < 6) return String(value)
  return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}

/** fmt.Sprint: a space between two of which neither is a string. */
export function sprint(values: readonly GoValue[]): string {
  return values
    .map((value, i) => {
      const isApart =
        i > 0 && typeof value !== 'string' && typeof values[i - 1] !== 'string'
      return `${isApart ? ' ' : ''}${formatValue(value)}`
    })
    .join('')
}

export function sprintln(values: readonly GoValue[]): string {
  return `${values.map(formatValue).join(' ')}\n`
}

/** fmt.Sprintf, with Go's words for what does not fit. */
export function sprintf(format: string, values: readonly GoValue[]): string {
  let next = 0
  const text = format.replaceAll(
    /%([-+ 0#]*)(\d*)(?:\.(\d*))?(.?)/gsu,
    (_, flags: string, width: string, precision: string | undefined, verb) => {
      if (verb === '%') return '%'
      if (verb === '') return '%!(NOVERB)'
      if (next >= values.length) return `%!${String(verb)}(MISSING)`
      const value = values[next++]
      const body = formatVerb(String(verb), value, { flags, precision })
      return padded(body, flags, Number(width), kindOf(value))
    },
  )
  const rest = values.slice(next)
  return rest.length === 0
    ? text
    : `${text}%!(EXTRA ${rest.map(typed).join(', ')})`
}

function typed(value: GoValue): string {
  return kindOf(value) === 'nil'
    ? '<nil>'
    : `${typeOf(value)}=${formatValue(value)}`
}

interface Directive {
  readonly flags: string
  readonly precision: string | undefined
}

function formatVerb(
  verb: string,
  value: GoValue,
  { flags, precision }: Directive,
): string {
  const kind = kindOf(value)
  const bad = `%!${verb}(${typed(value)})`
  const signed = (text: string): string =>
    flags.includes('+') && !text.startsWith('-') ? `+${text}` : text
  switch (verb) {
    case 'v':
      return formatValue(value)
    case 'T':
      return typeOf(value)
    case 't':
      return kind === 'bool' ? formatValue(value) : bad
    case 'd':
      return kind === 'int' ? signed(formatValue(value)) : bad
    case 'f':
      return kind === 'float'
        ? signed(numberOf(value).toFixed(Number(precision ?? 6)))
        : bad
    case 'g':
      return kind === 'float' ? formatFloat(numberOf(value)) : bad
    case 's':
    case 'q': {
      // Element by element, as Go does it.
      if (isSlice(value))
        return `[${value.map(each => formatVerb(verb, each, { flags, precision })).join(' ')}]`
      if (typeof value !== 'string') return bad
      const cut = precision === undefined ? undefined : Number(precision)
      const text = Array.from(value).slice(0, cut).join('')
      return verb === 's' ? text : goQuote(text)
    }
    case 'x':
    case 'X': {
      const text =
        kind === 'int'
          ? Number(value).toString(16)
          : typeof value === 'string'
            ? Buffer.from(value).toString('hex')
            : bad
      return verb === 'X' && text !== bad ? text.toUpperCase() : text
    }
  }
  return bad
}

function padded(
  text: string,
  flags: string,
  width: number,
  kind: ReturnType<typeof kindOf>,
): string {
  if (flags.includes('-')) return text.padEnd(width)
  const isNumber = kind === 'int' || kind === 'float'
  if (!flags.includes('0') || !isNumber) return text.padStart(width)
  const sign = /^[+-]/.exec(text)?.[0] ?? ''
  return sign + text.slice(sign.length).padStart(width - sign.length, '0')
}
