import type { Treatment } from './schema/struct.ts'
import type { KubeObject, ObjectKind, Position } from './types.ts'

/** One finding about one field of one object (or of a file, where no object could be read). */
export interface Finding {
  /** A `warning` is about a field that podfs does as asked, and that is surely a mistake. */
  readonly treatment: Exclude<Treatment, 'supported'> | 'warning'
  readonly position: Position
  readonly object?: {
    /** Any kind, also one that podfs ignores. */
    readonly kind: ObjectKind | (string & {})
    readonly namespace?: string
    readonly name: string
  }
  /** Such as `spec.containers[0].livenessProbe`; absent for a whole document. */
  readonly fieldPath?: string
  /** What is wrong, or what podfs does instead. */
  readonly message: string
  /** What to type to mend it. */
  readonly fix?: string
}

/** Whether it keeps its object, or its file, from being used. */
export function isMistake({ treatment }: Pick<Finding, 'treatment'>): boolean {
  return treatment === 'rejected'
}

/** What is wrong with an object that was read, or with one field of it. */
export function rejectionOf(
  object: KubeObject,
  fieldPath: string | undefined,
  message: string,
): Finding {
  const { kind, metadata, source } = object
  return {
    treatment: 'rejected',
    position: source.positionOf(fieldPath ?? ''),
    object: {
      kind,
      ...(metadata.namespace !== '' && { namespace: metadata.namespace }),
      name: metadata.name,
    },
    ...(fieldPath !== undefined && { fieldPath }),
    message,
  }
}

/** A field that stands in the input, the deepest that podfs treats in one way. */
export interface FieldUse {
  readonly fieldPath: string
  readonly treatment: Treatment
  readonly position: Position
}

/** Everything that one object says. */
export interface ObjectFields {
  readonly object: NonNullable<Finding['object']>
  readonly position: Position
  /** In the order of the file. */
  readonly fields: readonly FieldUse[]
}

/**
 * `PATH:LINE:COL: KIND NAMESPACE/NAME: FIELD.PATH: what is wrong`
 *
 * The caller puts `error: ` or `warning: ` before it, and the fix on a second line.
 */
export function formatFinding(
  finding: Omit<Finding, 'treatment' | 'fix'>,
): string {
  const { position, object, fieldPath, message } = finding
  const parts = [`${position.path}:${position.line}:${position.column}`]
  if (object !== undefined) {
    const name =
      object.namespace === undefined
        ? object.name
        : `${object.namespace}/${object.name}`
    parts.push(`${object.kind} ${name}`)
  }
  if (fieldPath !== undefined) parts.push(fieldPath)
  parts.push(message)
  return parts.join(': ')
}
