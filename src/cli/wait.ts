import { items, nameOf, part, text, type JsonObject } from '../api/json.ts'
import type { ApiClient } from '../client/api-client.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import type { Wanted } from './look/get-request.ts'
import {
  listOptions,
  lookOptions,
  namespaceOf,
  sessionsFor,
} from './look/look-options.ts'
import type { ObjectPlace } from './look/until-object.ts'
import { durationIn, type ParsedOptions } from './options.ts'

export const waitCommand: Command = {
  name: 'wait',
  summary: 'wait until Pods are as they are to be, as kubectl wait',
  usage: [
    'wait TYPE/NAME.. --for=condition=NAME[=VALUE] [--timeout DURATION]',
    'wait TYPE NAME.. | -l SELECTOR | --all --for=...',
  ],
  description: `--for is condition=NAME (=true, unless another value stands behind it), delete, create, or
jsonpath=TEMPLATE[=VALUE]: until the field has this value, or any. Exits with 1 when the time is over.`,
  examples: [
    {
      comment: 'until a Pod is ready',
      line: 'podfs wait pod/web --for=condition=Ready --timeout=60s',
    },
    {
      comment: 'until it has ended well',
      line: "podfs wait pod/job --for=jsonpath='{.status.phase}'=Succeeded",
    },
    { comment: 'until it is gone', line: 'podfs wait pod/web --for=delete' },
  ],
  options: {
    ...lookOptions,
    selector: listOptions.selector,
    all: { help: 'all of the type in the namespace' },
    for: {
      value: 'WHAT',
      help: 'condition=NAME[=VALUE], delete, create or jsonpath=TEMPLATE[=VALUE]',
    },
    timeout: {
      value: 'DURATION',
      help: 'such as 60s; 0: look once; -1s: for a week (default 30s)',
    },
  },
  run,
}

/** Undefined: there is no such object. */
type Holds = (object: JsonObject | undefined) => boolean

const weekMs = 7 * 24 * 3_600_000

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const { ApiFailure } = await import('../client/api-client.ts')
  const { kindWord, refuseNamesBeside, refuseNothingNamed, whatToGet } =
    await import('./look/get-request.ts')
  const { serverError } = await import('./look/look-options.ts')
  const { timeLimit, untilObject } = await import('./look/until-object.ts')
  const what = options.value('for')
  if (what === undefined)
    throw new Failure('usage', 'podfs wait needs --for', {
      fix: 'such as --for=condition=Ready',
    })
  const holds = await parseFor(what)
  // kubectl takes what is negative for a week.
  const isNegative = options.value('timeout')?.startsWith('-') === true
  const timeoutMs = isNegative
    ? weekMs
    : (durationIn(options, 'timeout') ?? 30_000)
  const wanted = whatToGet(options.positionals)
  const selects = options.flag('all') || options.value('selector') !== undefined
  refuseNamesBeside(selects, wanted)
  if (!selects) refuseNothingNamed(wanted, 'TYPE/NAME, -l SELECTOR, or --all')
  const clients = await sessionsFor(context, options)
  const limit = timeLimit(context.clock, timeoutMs)
  let hasFailed = false
  const waitFor = async (place: ObjectPlace): Promise<void> => {
    const { resource, name } = place
    if (await untilObject(place, holds, limit.signal))
      return context.stdout.line(`${kindWord(resource)}/${name} condition met`)
    context.stderr.line(
      `error: timed out waiting for the condition on ${resource.plural}/${name}`,
    )
    hasFailed = true
  }
  try {
    const places: ObjectPlace[] = []
    for (const each of wanted)
      places.push(...(await findPlaces(clients, each, what, options)))
    const isDelete = what === 'delete'
    if (places.length === 0 && !isDelete) {
      context.stderr.line('error: no matching resources found')
      return exitCodes.failed
    }
    await Promise.all(places.map(waitFor))
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error
    context.stderr.line(serverError(error))
    return exitCodes.failed
  } finally {
    limit.end()
  }
  return hasFailed ? exitCodes.failed : exitCodes.done
}

/** Also of an object that is yet to come. Throws an ApiFailure for one that is not there. */
async function findPlaces(
  clients: readonly ApiClient[],
  { resource, names }: Wanted,
  what: string,
  options: ParsedOptions,
): Promise<readonly ObjectPlace[]> {
  const { ApiFailure } = await import('../client/api-client.ts')
  const { findObject, listObjects } = await import('./look/find-object.ts')
  const namespace = namespaceOf(options)
  if (names.length === 0) {
    const selector = options.value('selector')
    const all = await listObjects(clients, resource, namespace, selector)
    return all.map(({ client, object }) => ({
      client,
      resource,
      namespace,
      name: nameOf(object),
    }))
  }
  const places = names.map(async (name): Promise<readonly ObjectPlace[]> => {
    try {
      const { client } = await findObject(clients, resource, namespace, name)
      return [{ client, resource, namespace, name }]
    } catch (error) {
      const isMissing =
        error instanceof ApiFailure && error.reason === 'NotFound'
      if (isMissing && what === 'delete') return []
      const [only, ...others] = clients
      if (isMissing && what === 'create' && only && others.length === 0)
        return [{ client: only, resource, namespace, name }]
      throw error
    }
  })
  return (await Promise.all(places)).flat()
}

/** conditionFuncFor of kubectl's pkg/cmd/wait/wait.go. Throws a usage Failure. */
async function parseFor(what: string): Promise<Holds> {
  if (what === 'delete') return object => object === undefined
  if (what === 'create') return object => object !== undefined
  const [, kind, rest = ''] = /^(condition|jsonpath)=(.+)$/s.exec(what) ?? []
  if (kind === 'condition') {
    const [, name = '', value = 'true'] = /^([^=]+)(?:=(.*))?$/.exec(rest) ?? []
    return object => hasCondition(object, name, value)
  }
  if (kind === 'jsonpath') return await parseJsonPathFor(rest)
  throw new Failure(
    'usage',
    `unrecognized condition: ${JSON.stringify(what)}`,
    {
      fix: 'condition=NAME[=VALUE], delete, create or jsonpath=TEMPLATE[=VALUE]',
    },
  )
}

function hasCondition(
  object: JsonObject | undefined,
  name: string,
  value: string,
): boolean {
  if (object === undefined) return false
  const found = items(part(object, 'status'), 'conditions').find(
    ({ type }) => text(type).toLowerCase() === name.toLowerCase(),
  )
  const { generation } = part(object, 'metadata')
  const observed =
    found?.['observedGeneration'] ??
    part(object, 'status')['observedGeneration']
  // What is said of a spec before the one that there is does not count.
  if (Number(observed ?? generation) < Number(generation ?? 0)) return false
  return text(found?.['status']).toLowerCase() === value.toLowerCase()
}

async function parseJsonPathFor(rest: string): Promise<Holds> {
  const { parseJsonPath } = await import('./look/jsonpath.ts')
  // A filter in the template may have an equals sign, too.
  const [, template = '', value] =
    /^(\{.*\}|[^{=]*)(?:=(.*))?$/s.exec(rest) ?? []
  if (template === '')
    throw new Failure('usage', `--for: not a JSONPath: ${rest}`, {
      fix: "such as --for=jsonpath='{.status.phase}'=Running",
    })
  const print = parseJsonPath(template)
  const unquoted = value?.replace(/^(["'])(.*)\1$/s, '$2')
  return object => {
    if (object === undefined) return false
    const found = print(object)
    return unquoted === undefined ? found !== '' : found === unquoted
  }
}
