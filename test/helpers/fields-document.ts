import {
  defaultWords,
  enumOf,
  typeWords,
} from '../../src/api/schema/describe-field.ts'
import { descriptions } from '../../src/api/schema/descriptions.ts'
import { structOf } from '../../src/api/schema/find-field.ts'
import { kinds } from '../../src/api/schema/kinds.ts'
import { workloads } from '../../src/api/schema/workloads.ts'
import type { FieldSpec, StructSpec } from '../../src/api/schema/struct.ts'

interface Struct {
  readonly spec: StructSpec
  /** Where it is used. */
  readonly users: string[]
}

/** docs/fields.md: each struct that an object which podfs reads can hold. */
export function fieldsDocument(): string {
  const structs = new Map<string, Struct>()
  const visit = (spec: StructSpec, user: string | undefined): void => {
    const known = structs.get(spec.name)
    if (user !== undefined) known?.users.push(user)
    if (known !== undefined) return
    structs.set(spec.name, { spec, users: user === undefined ? [] : [user] })
    for (const [name, field] of Object.entries(spec.fields)) {
      const inner = structOf(field.type)
      if (inner === undefined) continue
      const how = field.treatment === 'supported' ? '' : ` (${field.treatment})`
      visit(inner, `\`${spec.name}.${name}\`${how}`)
    }
  }
  for (const spec of Object.values(kinds)) visit(spec, undefined)
  for (const { struct } of Object.values(workloads)) visit(struct, undefined)
  const sections = [...structs.values()]
    .sort((a, b) => rank(a) - rank(b))
    .map(section)
  return `# Every field, and what podfs does with it

This page is made from the tables that podfs itself reads (\`npm run docs\`), and they are checked against the types of Kubernetes v1.34. \`podfs explain pod.spec.containers\` prints the same; \`podfs validate -f PATH\` says it of the fields of your manifests.

- **supported**: does what it does in a cluster.
- **emulated**: something else is done in its place, and the column says what.
- **ignored**: checked for mistakes, and then not looked at.
- **rejected**: podfs does not run a Pod that has it.

A struct inside of a field that is not supported is treated as that field: the line under its name says where it is used.

${sections.join('\n')}`
}

/** The kinds and what people look up most come first; the rest in the order of its use. */
const first = ['Pod', 'PodSpec', 'Container', 'Volume']

function rank({ spec }: Struct): number {
  const place = first.indexOf(spec.name)
  return place < 0 ? first.length : place
}

function section({ spec, users }: Struct): string {
  const rows = Object.entries(spec.fields).map(([name, field]) =>
    [
      `\`${name}\``,
      typeCell(field),
      absenceCell(name, field),
      field.treatment,
      whyCell(`${spec.name}.${name}`, field),
    ].join(' | '),
  )
  const used = users.length === 0 ? '' : `In ${users.join(', ')}.\n\n`
  return `## ${spec.name}

${used}| field | type | default | podfs | |
|---|---|---|---|---|
${rows.map(row => `| ${row} |`).join('\n')}
`
}

function typeCell(field: FieldSpec): string {
  const struct = structOf(field.type)
  const values = enumOf(field.type)
  const words = typeWords(field.type)
  const linked =
    struct === undefined
      ? words
      : words.replace(
          struct.name,
          `[${struct.name}](#${struct.name.toLowerCase()})`,
        )
  return values === undefined
    ? linked
    : values
        .filter(value => value !== '')
        .map(value => `\`${value}\``)
        .join(', ')
}

function absenceCell(name: string, field: FieldSpec): string {
  const fallback = defaultWords(name, field)
  if (fallback !== undefined) return `\`${fallback}\``
  return field.required === undefined ? '' : 'required'
}

function whyCell(key: string, field: FieldSpec): string {
  const reason =
    field.treatment === 'supported' ? undefined : sentence(field.reason ?? '')
  return [descriptions[key], reason]
    .filter(text => text !== undefined)
    .join(' ')
    .replaceAll('|', '\\|')
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
