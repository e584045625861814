import t from 'tap'
import { kinds } from '../../src/api/schema/kinds.ts'
import type { FieldType, StructSpec } from '../../src/api/schema/struct.ts'

t.test('each field that is not plainly supported says why', async t => {
  const seen = new Set<StructSpec>()
  const visit = (type: FieldType, path: string): void => {
    if (typeof type === 'string') return
    if ('list' in type) visit(type.list, `${path}[]`)
    if (!('struct' in type)) return
    const spec = type.struct()
    if (seen.has(spec)) return
    seen.add(spec)
    for (const [name, field] of Object.entries(spec.fields)) {
      const at = `${path}.${name}`
      if (field.treatment !== 'supported') t.ok(field.reason, at)
      // A map that all objects share must stay empty.
      if (field.default instanceof Map) t.equal(field.default.size, 0, at)
      visit(field.type, at)
    }
  }
  for (const [kind, spec] of Object.entries(kinds)) {
    visit({ struct: () => spec }, kind)
  }
  t.ok(seen.size > 40)
})
