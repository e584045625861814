import type { Json, JsonObject } from '../../api/json.ts'
import { humanDuration } from '../../util/human-duration.ts'

/** A column as kubectl prints it: its name in capitals; priority 1 only with -o wide. */
export interface Column {
  readonly name: string
  readonly type?: 'string' | 'integer'
  readonly priority?: 0 | 1
}

/** How a resource looks as a table; `cells` in the order of `columns`. */
export interface TableFormat {
  readonly columns: readonly Column[]
  readonly cells: (object: JsonObject, now: number) => readonly Json[]
}

/**
 * The `Table` of meta.k8s.io/v1 that `kubectl get` asks for: the server says what a person
 * is to see, the client only aligns it.
 */
export function tableOf(
  format: TableFormat,
  objects: readonly JsonObject[],
  options: {
    readonly now: number
    readonly metadata: JsonObject
    /** Of a watch only the first table has them. */
    readonly withColumns: boolean
    readonly includeObject: 'None' | 'Metadata' | 'Object'
  },
): JsonObject {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: options.metadata,
    columnDefinitions: options.withColumns
      ? format.columns.map(({ name, type = 'string', priority = 0 }) => ({
          name,
          type,
          format: name === 'Name' ? 'name' : '',
          description: '',
          priority,
        }))
      : [],
    rows: objects.map(object => ({
      cells: format.cells(object, options.now),
      ...rowObject(object, options.includeObject),
    })),
  }
}

function rowObject(
  object: JsonObject,
  include: 'None' | 'Metadata' | 'Object',
): JsonObject {
  switch (include) {
    case 'None':
      return {}
    case 'Object':
      return { object }
    case 'Metadata':
  }
  return {
    object: {
      kind: 'PartialObjectMetadata',
      apiVersion: 'meta.k8s.io/v1',
      metadata: object['metadata'] ?? {},
    },
  }
}

/** The age of an RFC 3339 time. */
export function ageOf(time: Json | undefined, now: number): string {
  if (typeof time !== 'string') return '<unknown>'
  return humanDuration(now - Date.parse(time))
}

export function orNone(value: string): string {
  return value === '' ? '<none>' : value
}
