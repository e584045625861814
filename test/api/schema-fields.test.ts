import { readFileSync } from 'node:fs'
import t from 'tap'
import { kinds } from '../../src/api/schema/kinds.ts'
import type { FieldType, StructSpec } from '../../src/api/schema/struct.ts'

/**
 * Struct, field and type of everything that the kinds of Kubernetes v1.34 which podfs holds
 * have, listed by reflection over k8s.io/api v0.34.1 (`*` is a pointer). A Pod's status
 * is left out: podfs does not read it.
 */
const kubernetes = JSON.parse(
  readFileSync(
    new URL('../fixtures/kubernetes-fields.json', import.meta.url),
    'utf8',
  ),
) as Readonly<Record<string, Readonly<Record<string, string>>>>

function typeOf(type: FieldType): string {
  if (typeof type === 'string') return type
  if ('enum' in type) return 'string'
  if ('list' in type) return `[]${typeOf(type.list)}`
  if ('map' in type) return `map:${type.map}`
  return type.struct().name
}

t.test(
  'the tables have every field of Kubernetes v1.34, and no other',
  async t => {
    const seen = new Map<string, StructSpec>()
    const visit = (type: FieldType): void => {
      if (typeof type === 'string') return
      if ('list' in type) visit(type.list)
      if (!('struct' in type)) return
      const spec = type.struct()
      if (seen.has(spec.name)) return
      seen.set(spec.name, spec)
      for (const field of Object.values(spec.fields)) visit(field.type)
    }
    for (const spec of Object.values(kinds)) visit({ struct: () => spec })
    t.same([...seen.keys()].sort(), Object.keys(kubernetes).sort())
    for (const [name, spec] of seen) {
      const fields = Object.entries(spec.fields)
        .filter(([field]) => name !== 'Pod' || field !== 'status')
        .map(([field, { type }]) => [field, typeOf(type)] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1))
      t.same(
        Object.fromEntries(fields),
        Object.fromEntries(
          Object.entries(kubernetes[name] ?? {}).map(([field, type]) => [
            field,
            type.replace(/^\*/, ''),
          ]),
        ),
        name,
      )
    }
  },
)
