import type { JsonObject } from '../../api/json.ts'
import { Failure } from '../../util/failure.ts'
import { formatValue } from './go-template/go-format.ts'
import { parseFieldPath, type FieldPath } from './jsonpath.ts'
import { alignTable } from './tab-writer.ts'

interface Column {
  readonly header: string
  readonly path: FieldPath
}

/** Columns that the user has chosen (kubectl, pkg/cmd/get/customcolumn.go). */
export class CustomColumns {
  readonly #columns: readonly Column[]
  readonly #widths: number[] = []
  #headerPrinted = false

  private constructor(columns: readonly Column[]) {
    this.#columns = columns
  }

  /** `NAME:.metadata.name,NODE:.spec.nodeName`. Throws a usage Failure. */
  static fromSpec(spec: string): CustomColumns {
    if (spec === '')
      throw new Failure(
        'usage',
        'custom-columns format specified but no custom columns given',
      )
    return new CustomColumns(
      spec.split(',').map(column => {
        const [, header, path] = /^([^:]*):(.*)$/s.exec(column) ?? []
        if (header === undefined || path === undefined)
          throw new Failure(
            'usage',
            `unexpected custom-columns spec: ${column}, expected <header>:<json-path-expr>`,
          )
        return { header, path: parseFieldPath(path) }
      }),
    )
  }

  /** A line of headers, and one of paths. Throws a usage Failure. */
  static fromTemplate(template: string): CustomColumns {
    const [headers, paths] = template.split('\n').map(line =>
      line
        .trim()
        .split(/\s+/)
        .filter(word => word !== ''),
    )
    const missing =
      headers === undefined || headers.length === 0
        ? 'header'
        : paths === undefined || paths.length === 0
          ? 'spec'
          : undefined
    if (headers === undefined || paths === undefined || missing !== undefined)
      throw new Failure(
        'usage',
        `invalid template, missing ${missing} line. Expected format is one line of space separated headers, one line of space separated column specs.`,
      )
    if (headers.length !== paths.length)
      throw new Failure(
        'usage',
        `number of headers (${headers.length}) and field specifications (${paths.length}) don't match`,
      )
    return new CustomColumns(
      headers.map((header, i) => ({
        header,
        path: parseFieldPath(paths[i] ?? ''),
      })),
    )
  }

  /** The lines of further objects; the headers come once. */
  print(objects: readonly JsonObject[], noHeaders: boolean): string {
    const lines = objects.map(object =>
      this.#columns.map(({ path }) => {
        const found = path.find(object).map(formatValue).join(',')
        return found === '' ? '<none>' : found
      }),
    )
    if (!noHeaders && !this.#headerPrinted)
      lines.unshift(this.#columns.map(({ header }) => header))
    this.#headerPrinted = true
    return lines.length === 0 ? '' : alignTable(lines, this.#widths)
  }
}
