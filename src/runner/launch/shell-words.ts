import { RunnerError } from './errors.ts'

/**
 * Splits a command the way a POSIX shell makes words: blanks separate, single quotes keep
 * everything, double quotes keep everything but `\"`, `\\`, `` \` ``, `\$`, a backslash keeps
 * the next character. Nothing is expanded: no variables, no globs, no operators.
 */
export function splitShellWords(text: string): readonly string[] {
  const words: string[] = []
  let word: string | undefined
  let position = 0
  while (position < text.length) {
    const character = text.charAt(position)
    position++
    if (/\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (character === "'") {
      const end = text.indexOf("'", position)
      if (end === -1) throw unclosed("'", text)
      word = (word ?? '') + text.slice(position, end)
      position = end + 1
    } else if (character === '"') {
      const quoted = readDoubleQuoted(text, position)
      word = (word ?? '') + quoted.value
      position = quoted.end
    } else if (character === '\\' && position < text.length) {
      word = (word ?? '') + text.charAt(position)
      position++
    } else {
      word = (word ?? '') + character
    }
  }
  if (word !== undefined) words.push(word)
  return words
}

function readDoubleQuoted(
  text: string,
  start: number,
): { value: string; end: number } {
  let value = ''
  for (let position = start; position < text.length; position++) {
    const character = text.charAt(position)
    if (character === '"') return { value, end: position + 1 }
    if (character === '\\' && /["\\`$]/.test(text.charAt(position + 1))) {
      position++
      value += text.charAt(position)
    } else {
      value += character
    }
  }
  throw unclosed('"', text)
}

function unclosed(quote: string, text: string): RunnerError {
  return new RunnerError(
    'SHELL_WORDS_UNCLOSED',
    `unclosed ${quote} in the command ${text}`,
  )
}
