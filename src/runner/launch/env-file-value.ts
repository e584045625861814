/** bufio.MaxScanTokenSize: a line that fills it has no end. */
const maxLineBytes = 65_536

/**
 * The value of a key in an environment file; '' where it has none (ParseEnv,
 * pkg/kubelet/util/env/env_util.go). As a shell would read it, but that each value stands in
 * single quotes: `KEY='value' # comment`, over several lines if need be. What comes after the key
 * is not looked at. `text` has a letter for each byte.
 *
 * Throws a SyntaxError with the number of the line, counted from 1.
 */
export function envFileValue(text: string, key: string): string {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  let number = 0
  const nextLine = (): string | undefined => {
    const line = lines[number]
    if (line === undefined || line.length >= maxLineBytes) return undefined
    number += 1
    return line.replace(/\r$/, '')
  }
  const malformed = (what: string) =>
    new SyntaxError(
      `invalid environment variable format at line ${number}: ${what}`,
    )
  for (let line = nextLine(); line !== undefined; line = nextLine()) {
    const assignment = line.replace(/^[ \t]+/, '')
    if (assignment === '' || assignment.startsWith('#')) continue
    const [, name, given = ''] = /^([^=]*)=(.*)$/s.exec(assignment) ?? []
    if (name === undefined) throw malformed("missing '='")
    if (name === '') throw malformed('empty variable name')
    if (/[ \t]$/.test(name))
      throw malformed("whitespace before '=' is not allowed")
    if (/^[ \t]/.test(given)) {
      // A shell sets it to nothing, and runs the rest.
      if (name === key) return ''
      continue
    }
    if (!given.startsWith("'"))
      throw malformed('value must be enclosed in single quotes')
    const first = number
    let value = ''
    let rest = given.slice(1)
    while (!rest.includes("'")) {
      value += `${rest}\n`
      const more = nextLine()
      if (more === undefined)
        throw new SyntaxError(
          `invalid environment variable format starting at line ${first}: unclosed single quote`,
        )
      rest = more
    }
    const end = rest.indexOf("'")
    if (!/^[ \t]*(#|$)/.test(rest.slice(end + 1)))
      throw malformed('unexpected content after closing quote')
    if (name === key) return value + rest.slice(0, end)
  }
  if (number < lines.length)
    throw new SyntaxError(`line ${number + 1}: bufio.Scanner: token too long`)
  return ''
}
