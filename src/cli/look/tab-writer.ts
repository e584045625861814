import { visible } from '../../util/visible.ts'

export interface TabWriterOptions {
  readonly minWidth: number
  readonly padding: number
}

/** `kubectl get`: k8s.io/cli-runtime, pkg/printers/tabwriter.go. */
const tableLayout: TabWriterOptions = { minWidth: 6, padding: 3 }
/** `kubectl describe`: pkg/describe, tabbedString. */
export const describeLayout: TabWriterOptions = { minWidth: 0, padding: 2 }

/**
 * The lines of a table as `kubectl get` has it. Whatever is in a cell, it makes no line and no
 * column of its own, and is as wide as it will be shown. `remembered`: see `alignTabs`.
 */
export function alignTable(
  rows: readonly (readonly string[])[],
  remembered?: number[],
): string {
  const lines = rows.map(cells => cells.map(visible).join('\t'))
  return `${alignTabs(lines.join('\n'), tableLayout, remembered)}\n`
}

/**
 * Aligns cells that end with a tab, as Go's text/tabwriter: a column is a run of adjacent
 * lines that have that cell, and is as wide as its widest. The last cell of a line belongs to
 * no column. `remembered`: widths that columns have at least, raised to what was needed, as
 * kubectl remembers them from one event of a watch to the next.
 */
export function alignTabs(
  text: string,
  { minWidth, padding }: TabWriterOptions,
  remembered?: number[],
): string {
  const lines = text.split('\n').map(line => line.split('\t'))
  const out: string[] = []
  const widths: number[] = []
  let printed = 0
  const print = (end: number): void => {
    for (; printed < end; printed++)
      out.push(
        (lines[printed] ?? [])
          .map((cell, column) => {
            const width = widths[column]
            return width === undefined
              ? cell
              : cell + ' '.repeat(Math.max(width - widthOf(cell), 0))
          })
          .join(''),
      )
  }
  const hasColumn = (line: number, column: number): boolean =>
    column < (lines[line]?.length ?? 0) - 1
  const format = (first: number, end: number): void => {
    const column = widths.length
    for (let line = first; line < end; line++) {
      if (!hasColumn(line, column)) continue
      print(line)
      const start = line
      let width = Math.max(minWidth, remembered?.[column] ?? 0)
      for (; line < end && hasColumn(line, column); line++)
        width = Math.max(width, widthOf(lines[line]?.[column] ?? '') + padding)
      if (remembered !== undefined) remembered[column] = width
      widths.push(width)
      format(start, line)
      widths.pop()
    }
    print(end)
  }
  format(0, lines.length)
  return out.join('\n')
}

/** In characters, as text/tabwriter counts. */
function widthOf(cell: string): number {
  return Array.from(cell).length
}
