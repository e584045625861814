import type { StringTree } from './go-yaml.ts'

/**
 * JSON as Go's encoding/json prints it: `<`, `>`, `&` and the two line separators escaped, as
 * if it were to stand in HTML. Keys stay in the order of the map.
 *
 * With `indent`, as json.MarshalIndent prints it.
 */
export function goJson(tree: StringTree, indent = '', depth = 1): string {
  if (tree.size === 0) return '{}'
  const [open, separator, close, colon] =
    indent === ''
      ? ['', ',', '', ':']
      : [
          `\n${indent.repeat(depth)}`,
          `,\n${indent.repeat(depth)}`,
          `\n${indent.repeat(depth - 1)}`,
          ': ',
        ]
  const members = [...tree].map(
    ([key, value]) =>
      `${goString(key)}${colon}${typeof value === 'string' ? goString(value) : goJson(value, indent, depth + 1)}`,
  )
  return `{${open}${members.join(separator)}${close}}`
}

function goString(value: string): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
