/** One line of an fstab; fields as in fstab(5). */
export interface FstabEntry {
  readonly source: string
  readonly target: string
  readonly type: string
  readonly options: readonly string[]
}

export function formatFstab(entries: readonly FstabEntry[]): string {
  return entries
    .map(
      ({ source, target, type, options }) =>
        `${escape(source)} ${escape(target)} ${type} ${escape(options.join(','))} 0 0\n`,
    )
    .join('')
}

/** White space would end the field, `#` at a line's beginning would make it a comment. */
function escape(field: string): string {
  return field.replaceAll(
    /[ \t\n\\#]/g,
    character => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
}
