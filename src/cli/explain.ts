import {
  defaultWords,
  enumOf,
  typeWords,
} from '../api/schema/describe-field.ts'
import {
  fieldOf,
  findField,
  structOf,
  type FoundField,
} from '../api/schema/find-field.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import {
  commonOptions,
  jsonOption,
  wantsJson,
  type ParsedOptions,
} from './options.ts'

export const explainCommand: Command = {
  name: 'explain',
  summary: 'a field: its type, its default, and what podfs does with it',
  usage: ['explain FIELD.PATH [--recursive] [-o json]'],
  description: `FIELD.PATH begins with a kind (pod, configmap, secret, deployment, ...); indices may stand in it.`,
  examples: [
    {
      comment: 'what podfs does with probes',
      line: 'podfs explain pod.spec.containers.livenessProbe',
    },
    {
      comment: 'every field of a volume',
      line: 'podfs explain pod.spec.volumes --recursive',
    },
  ],
  options: {
    recursive: { help: 'the fields of the fields, too' },
    ...jsonOption,
    help: commonOptions.help,
  },
  run,
}

type Descriptions = Readonly<Record<string, string>>

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const json = wantsJson(options)
  const [path, ...more] = options.positionals
  if (path === undefined || more.length > 0)
    throw new Failure('usage', 'one FIELD.PATH is needed', {
      fix: 'podfs explain pod.spec.containers',
    })
  const found = findField(path)
  if ('message' in found)
    throw new Failure(
      'usage',
      found.message,
      found.meant === undefined ? {} : { fix: `podfs explain ${found.meant}` },
    )
  const { descriptions } = await import('../api/schema/descriptions.ts')
  const recursive = options.flag('recursive')
  if (json) {
    const object = asJson(found, recursive ? Infinity : 1, descriptions)
    context.stdout.raw(`${JSON.stringify(object, null, 2)}\n`)
  } else context.stdout.text(asText(found, recursive, descriptions))
  return exitCodes.done
}

function asText(
  found: FoundField,
  recursive: boolean,
  descriptions: Descriptions,
): string {
  const { kind, apiVersion, name, field } = found
  const lines = [`KIND:     ${kind}`, `VERSION:  ${apiVersion}`]
  if (name !== undefined) {
    lines.push(`FIELD:    ${name} <${typeWords(field.type)}>`)
    const fallback = defaultWords(name, field)
    const values = enumOf(field.type)
    if (field.required !== undefined) lines.push('REQUIRED: yes')
    if (fallback !== undefined) lines.push(`DEFAULT:  ${fallback}`)
    if (values !== undefined) {
      lines.push(`VALUES:   ${values.filter(value => value !== '').join(', ')}`)
    }
    lines.push(`PODFS:    ${treatmentWords(found)}`)
  }
  const description = descriptionOf(found, descriptions)
  if (description !== undefined) lines.push('', description)
  const fields = fieldsOf(found)
  if (fields.length > 0) {
    lines.push('', 'FIELDS:')
    if (recursive) lines.push(...tree(fields, '  ', []))
    else lines.push(...table(fields, found))
  }
  return `${lines.join('\n')}\n`
}

function treatmentWords({ treatment, reason }: FoundField): string {
  return reason === undefined ? treatment : `${treatment}: ${reason}`
}

function descriptionOf(
  { owner, name, kind }: FoundField,
  descriptions: Descriptions,
): string | undefined {
  return descriptions[owner === undefined ? kind : `${owner.name}.${name}`]
}

function fieldsOf(found: FoundField): FoundField[] {
  const owner = structOf(found.field.type)
  return Object.keys(owner?.fields ?? {}).flatMap(name =>
    owner === undefined ? [] : (fieldOf(found, owner, name) ?? []),
  )
}

/** A line for each field; the treatment only where it is not that of the whole. */
function table(fields: readonly FoundField[], parent: FoundField): string[] {
  const rows = fields.map(found => ({
    name: found.name ?? '',
    type: `<${typeWords(found.field.type)}>${absenceWords(found)}`,
    podfs: found.treatment === parent.treatment ? '' : treatmentWords(found),
  }))
  const width = (column: 'name' | 'type') =>
    Math.max(...rows.map(row => row[column].length))
  return rows.map(row =>
    `  ${row.name.padEnd(width('name'))}  ${row.type.padEnd(width('type'))}  ${row.podfs}`.trimEnd(),
  )
}

/** What it means that the field is not there. */
function absenceWords({ name = '', field }: FoundField): string {
  const fallback = defaultWords(name, field)
  if (fallback !== undefined) return ` default ${fallback}`
  return field.required === undefined ? '' : ' required'
}

/** A struct that contains itself is shown once on each branch. */
function tree(
  fields: readonly FoundField[],
  indent: string,
  above: readonly string[],
): string[] {
  return fields.flatMap(found => {
    const { field, name, treatment } = found
    const mark = treatment === 'supported' ? '' : `  ${treatment}`
    const struct = structOf(field.type)?.name ?? ''
    const line = `${indent}${name} <${typeWords(field.type)}>${mark}`
    return above.includes(struct)
      ? [line]
      : [line, ...tree(fieldsOf(found), `${indent}  `, [...above, struct])]
  })
}

function asJson(
  found: FoundField,
  depth: number,
  descriptions: Descriptions,
): unknown {
  const { kind, apiVersion, path, field, treatment, reason } = found
  const fields = depth > 0 ? fieldsOf(found) : []
  return {
    kind,
    apiVersion,
    path,
    type: typeWords(field.type),
    required: field.required !== undefined,
    default: field.default instanceof Map ? undefined : field.default,
    values: enumOf(field.type),
    treatment,
    reason,
    description: descriptionOf(found, descriptions),
    ...(fields.length > 0 && {
      fields: fields.map(each => asJson(each, depth - 1, descriptions)),
    }),
  }
}
