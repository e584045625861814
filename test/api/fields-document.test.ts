import t from 'tap'
import { descriptions } from '../../src/api/schema/descriptions.ts'
import { structOf } from '../../src/api/schema/find-field.ts'
import { kinds } from '../../src/api/schema/kinds.ts'
import type { StructSpec } from '../../src/api/schema/struct.ts'
import { fieldsDocument } from '../helpers/fields-document.ts'
import { writtenDocument } from '../helpers/written-document.ts'

t.test('docs/fields.md is what the tables say: npm run docs', async t => {
  const { found, wanted } = writtenDocument('fields.md', fieldsDocument())
  t.equal(found, wanted)
})

const structs = new Map<string, StructSpec>()
const visit = (spec: StructSpec): void => {
  if (structs.has(spec.name)) return
  structs.set(spec.name, spec)
  for (const { type } of Object.values(spec.fields)) {
    const inner = structOf(type)
    if (inner !== undefined) visit(inner)
  }
}
for (const spec of Object.values(kinds)) visit(spec)

t.test('no description is of a field that is not there', async t => {
  for (const key of Object.keys(descriptions)) {
    const [struct = '', field] = key.split('.')
    const fields = structs.get(struct)?.fields ?? {}
    t.ok(structs.has(struct), key)
    if (field !== undefined) t.ok(Object.hasOwn(fields, field), key)
  }
})

t.test(
  'what a person writes first has a description, field by field',
  async t => {
    for (const name of [
      'PodSpec',
      'Container',
      'VolumeMount',
      'EnvVar',
      'EnvVarSource',
      'KeyToPath',
      'Probe',
      'Lifecycle',
      'SecretVolumeSource',
      'ConfigMapVolumeSource',
      'ProjectedVolumeSource',
    ]) {
      for (const field of Object.keys(structs.get(name)?.fields ?? {})) {
        t.ok(descriptions[`${name}.${field}`], `${name}.${field}`)
      }
    }
  },
)
