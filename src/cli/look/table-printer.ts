import { text, type Json, type JsonObject } from '../../api/json.ts'
import { alignTable } from './tab-writer.ts'

export interface TablePrinterOptions {
  readonly wide: boolean
  readonly withNamespace: boolean
  readonly withSession: boolean
  readonly noHeaders: boolean
  readonly showLabels: boolean
  /** `pod` for `pod/web`: where several types are printed. */
  readonly prefix: string | undefined
}

/** Rows of one podfs, as the server made them. */
export interface SessionTable {
  readonly session: string
  readonly table: JsonObject
}

type Column = JsonObject & {
  readonly name: string
  readonly format: string
  readonly priority: number
}

/**
 * Prints Tables as kubectl does. It remembers the columns and their widths, so that the rows
 * of a watch stand below the first ones.
 */
export class TablePrinter {
  readonly #options: TablePrinterOptions
  readonly #widths: number[] = []
  #columns: readonly Column[] = []
  #headerPrinted = false

  constructor(options: TablePrinterOptions) {
    this.#options = options
  }

  /** '' when there are no rows. */
  print(tables: readonly SessionTable[]): string {
    for (const { table } of tables) {
      const columns = (table['columnDefinitions'] ?? []) as readonly Column[]
      if (columns.length > 0) this.#columns = columns
    }
    const rows = tables.flatMap(({ session, table }) =>
      ((table['rows'] ?? []) as readonly JsonObject[]).map(row =>
        this.#row(row, session),
      ),
    )
    if (rows.length === 0) return ''
    const { noHeaders } = this.#options
    const lines =
      noHeaders || this.#headerPrinted ? rows : [this.#header(), ...rows]
    this.#headerPrinted = true
    return alignTable(lines, this.#widths)
  }

  #header(): string[] {
    return this.#line(
      'NAMESPACE',
      this.#visible(this.#columns).map(({ name }) => name.toUpperCase()),
      'LABELS',
      'SESSION',
    )
  }

  #row(row: JsonObject, session: string): string[] {
    const metadata = ((row['object'] as JsonObject | undefined)?.['metadata'] ??
      {}) as JsonObject
    const cells = (row['cells'] ?? []) as readonly Json[]
    const { prefix } = this.#options
    const texts = this.#columns.map(({ format }, i) => {
      const text = cellText(cells[i] ?? null)
      return format === 'name' && prefix !== undefined
        ? `${prefix}/${text}`
        : text
    })
    const labels = Object.entries((metadata['labels'] ?? {}) as JsonObject)
      .map(([key, value]) => `${key}=${text(value)}`)
      .sort()
      .join(',')
    return this.#line(
      cellText(metadata['namespace'] ?? ''),
      this.#visible(texts),
      labels === '' ? '<none>' : labels,
      session,
    )
  }

  #line(
    namespace: string,
    cells: readonly string[],
    labels: string,
    session: string,
  ): string[] {
    const { withNamespace, withSession, showLabels } = this.#options
    return [
      ...(withNamespace ? [namespace] : []),
      ...cells,
      ...(showLabels ? [labels] : []),
      ...(withSession ? [session] : []),
    ]
  }

  #visible<T>(cells: readonly T[]): readonly T[] {
    return cells.filter(
      (_, i) => this.#options.wide || this.#columns[i]?.priority === 0,
    )
  }
}

/** Only the first line of a text, as kubectl cuts it; a tab would be a column of its own there. */
function cellText(cell: Json): string {
  const text = typeof cell === 'string' ? cell : JSON.stringify(cell)
  const at = text.search(/[\f\n\r]/)
  const line = at === -1 ? text : `${text.slice(0, at)}...`
  return line.replaceAll('\t', ' ')
}
