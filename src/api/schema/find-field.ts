import { nearest } from '../../util/edit-distance.ts'
import { kindWords } from '../kind-words.ts'
import type { ServedKind, WorkloadKind } from '../types.ts'
import { definitionOf } from './definition-of.ts'
import { kinds } from './kinds.ts'
import type { FieldSpec, FieldType, StructSpec, Treatment } from './struct.ts'
import { workloadKinds } from './workloads.ts'

type Kind = ServedKind | WorkloadKind

export interface FoundField {
  readonly kind: Kind
  readonly apiVersion: string
  /** `pod.spec.containers`: kind and field names, without indices. */
  readonly path: string
  /** Absent for the kind itself. */
  readonly name?: string
  readonly field: FieldSpec
  /** The struct that holds it; absent for the kind itself. */
  readonly owner?: StructSpec
  /** How podfs treats it where it stands: a field of an ignored one is ignored. */
  readonly treatment: Treatment
  readonly reason?: string
}

export interface UnknownField {
  readonly message: string
  /** The path that was probably meant. */
  readonly meant?: string
}

const allKinds = [...(Object.keys(kinds) as ServedKind[]), ...workloadKinds]

const words = kindWords(allKinds)

/**
 * Looks up `pod.spec.containers[0].image`: as kubectl explain does, and with indices. Without
 * a kind it must be a field of one kind only, of those that are no workloads.
 */
export function findField(text: string): FoundField | UnknownField {
  const [first = '', ...rest] = text
    .replace(/\[[^\]]*\]/g, '')
    .split('.')
    .filter(segment => segment !== '')
  const kind = words.get(first.toLowerCase())
  if (kind !== undefined) return walk(kind, rest)
  const owners = (Object.keys(kinds) as ServedKind[]).filter(each =>
    Object.hasOwn(kinds[each].fields, first),
  )
  const [owner] = owners
  if (owner !== undefined && owners.length === 1) {
    return walk(owner, [first, ...rest])
  }
  if (owner !== undefined) {
    return {
      message: `${text}: a field of ${owners.join(' and ')}`,
      meant: [owner.toLowerCase(), first, ...rest].join('.'),
    }
  }
  const meant = search('Pod', first) ?? nearest(first, words.keys())
  return {
    message: `${text}: neither a kind that podfs knows (${allKinds.join(', ')}) nor a field of one`,
    ...(meant !== undefined && { meant: [meant, ...rest].join('.') }),
  }
}

/** The struct whose fields a field has, if any. */
export function structOf(type: FieldType): StructSpec | undefined {
  if (typeof type === 'string') return undefined
  if ('list' in type) return structOf(type.list)
  return 'struct' in type ? type.struct() : undefined
}

/** A field of the struct, as it is treated inside of `parent`. */
export function fieldOf(
  parent: FoundField,
  owner: StructSpec,
  name: string,
): FoundField | undefined {
  const field = Object.hasOwn(owner.fields, name)
    ? owner.fields[name]
    : undefined
  if (field === undefined) return undefined
  const inherited = parent.treatment !== 'supported'
  const { treatment, reason } = inherited ? parent : field
  return {
    kind: parent.kind,
    apiVersion: parent.apiVersion,
    path: `${parent.path}.${name}`,
    name,
    field,
    owner,
    treatment,
    ...(reason !== undefined && { reason }),
  }
}

/** The shallowest field of that name, of plain containers before others. */
function search(kind: ServedKind, name: string): string | undefined {
  let level = [{ path: kind.toLowerCase(), struct: kinds[kind] }]
  const seen = new Set<StructSpec>()
  while (level.length > 0) {
    const holder = level.find(({ struct }) =>
      Object.hasOwn(struct.fields, name),
    )
    if (holder !== undefined) return `${holder.path}.${name}`
    for (const { struct } of level) seen.add(struct)
    level = level
      .flatMap(({ path, struct }) =>
        Object.entries(struct.fields).flatMap(([field, { type }]) => {
          const inner = structOf(type)
          return inner === undefined || seen.has(inner)
            ? []
            : [{ path: `${path}.${field}`, struct: inner }]
        }),
      )
      .sort((a, b) => rank(a.path) - rank(b.path))
  }
  return undefined
}

function rank(path: string): number {
  return /\.(init|ephemeral)Containers/.test(path) ? 1 : 0
}

function walk(kind: Kind, names: readonly string[]): FoundField | UnknownField {
  const { apiVersion, struct } = definitionOf(kind)
  let found: FoundField = {
    kind,
    apiVersion,
    path: kind.toLowerCase(),
    field: {
      type: { struct: () => struct },
      treatment: 'supported',
    },
    treatment: 'supported',
  }
  for (const [i, name] of names.entries()) {
    const { type } = found.field
    // The keys of a map are the user's own.
    if (typeof type === 'object' && 'map' in type) return found
    const owner = structOf(type)
    if (owner === undefined) {
      return { message: `${found.path} has no fields`, meant: found.path }
    }
    const next = fieldOf(found, owner, name)
    if (next === undefined) {
      const meant = nearest(name, Object.keys(owner.fields))
      return {
        message: `${found.path}: ${owner.name} has no field ${JSON.stringify(name)}`,
        ...(meant !== undefined && {
          meant: [found.path, meant, ...names.slice(i + 1)].join('.'),
        }),
      }
    }
    found = next
  }
  return found
}
