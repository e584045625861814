import { stringify } from 'yaml'
import type { GivenSetting } from '../config/layers.ts'
import { visible, visibleJson } from '../util/visible.ts'

/** A podfs.yaml; each setting's origin stands behind its first line. */
export function settingsYaml(given: readonly GivenSetting[]): string {
  const lines: { text: string; origin?: string }[] = []
  let open: readonly string[] = []
  for (const { path, value, origin } of given) {
    const parents = path.slice(0, -1)
    for (const [depth, name] of parents.entries())
      if (open[depth] !== name)
        lines.push({ text: `${'  '.repeat(depth)}${name}:` })
    open = parents
    const [first = '', ...rest] = visibleYaml({
      [path.at(-1) as string]: value,
    })
      .trimEnd()
      .split('\n')
      .map(line => `${'  '.repeat(parents.length)}${line}`)
    lines.push({ text: first, origin }, ...rest.map(text => ({ text })))
  }
  const width = Math.max(
    ...lines.map(({ text, origin }) =>
      origin === undefined ? 0 : text.length,
    ),
  )
  return lines
    .map(({ text, origin }) =>
      origin === undefined
        ? `${text}\n`
        : `${text.padEnd(width)}  # ${visible(origin)}\n`,
    )
    .join('')
}

/**
 * Each text on one line, behind which the comment stands. What acts on a terminal is escaped in
 * double quotes, which say the same.
 */
function visibleYaml(value: unknown): string {
  const options = {
    lineWidth: 0,
    blockQuote: false,
    doubleQuotedMinMultiLineLength: Infinity,
  } as const
  const yaml = stringify(value, options)
  if (visibleJson(yaml) === yaml) return yaml
  return visibleJson(
    stringify(value, { ...options, defaultStringType: 'QUOTE_DOUBLE' }),
  )
}
