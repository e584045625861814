/**
 * What acts on a terminal instead of standing there: the control characters C0, DEL and C1, the
 * separators that some programs take for a newline, and the marks of Unicode's bidirectional
 * algorithm (UAX #9), which show text in another order than it has.
 */
const acting =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

const named: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
}

/**
 * A text from outside (a file's name, a key, a kind, a value) as it may stand in a line for
 * people: what would act on the terminal is written as in C, `\n`, `\x1b`, `\u202e`. So nothing
 * in it moves the cursor, sets a title or makes a line of its own. Everything else is as it was,
 * a backslash, too: this is for reading, not for reading back.
 */
export function visible(text: string): string {
  return text.replace(acting, escaped)
}

/** The same for a text of several lines, with columns: newlines and tabs stay. */
export function visibleLines(text: string): string {
  return text.replace(acting, character =>
    character === '\n' || character === '\t' ? character : escaped(character),
  )
}

/**
 * The same for a JSON text, which says the same afterwards: JSON.stringify leaves DEL, C1 and
 * the marks of direction as they are.
 */
export function visibleJson(json: string): string {
  return json.replace(acting, character =>
    character < ' ' ? character : `\\u${hex(character, 4)}`,
  )
}

function escaped(character: string): string {
  return (
    named[character] ??
    (character < '\u0080'
      ? `\\x${hex(character, 2)}`
      : `\\u${hex(character, 4)}`)
  )
}

function hex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, '0')
}
