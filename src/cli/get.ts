import { items, nameOf, part, text, type JsonObject } from '../api/json.ts'
import type { ApiClient } from '../client/api-client.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodeOfSignal, exitCodes } from './exit-codes.ts'
import type { Wanted } from './look/get-request.ts'
import { listOptions, namespaceOf, sessionsFor } from './look/look-options.ts'
import type { FieldPath } from './look/jsonpath.ts'
import type { OutputFormat } from './look/print-objects.ts'
import type { SessionTable } from './look/table-printer.ts'
import type { ParsedOptions } from './options.ts'

export const getCommand: Command = {
  name: 'get',
  summary: 'list what the podfs that run have, as kubectl get',
  usage: [
    'get TYPE [NAME..] [-n NAMESPACE | -A] [-l SELECTOR] [-o FORMAT] [-w]',
    'get TYPE/NAME..',
  ],
  description: `TYPE is pods, secrets, configmaps, events, nodes, volumes (what is published where), or a workload or
Service of the input (deployments, statefulsets, daemonsets, replicasets, replicationcontrollers, jobs,
cronjobs, services, endpoints, endpointslices), or a short name: po, cm, ev, no, deploy, sts, ds, rs, rc,
cj, svc, ep. Finds the podfs that run by itself; with several, a column says which one.`,
  examples: [
    { comment: 'the Pods that run', line: 'podfs get pods' },
    {
      comment: 'what is published, since when, and what is missing',
      line: 'podfs get volumes -A',
    },
    {
      comment: 'one value of a Secret',
      line: "podfs get secret db -o jsonpath='{.data.password}' | base64 -d",
    },
    { comment: 'changes as they come', line: 'podfs get pods -w' },
    {
      comment: 'columns of your own, the oldest Pod first',
      line: 'podfs get pods -o custom-columns=NAME:.metadata.name,IP:.status.podIP --sort-by=.metadata.creationTimestamp',
    },
  ],
  options: {
    ...listOptions,
    'field-selector': {
      value: 'SELECTOR',
      help: 'only objects with these fields, such as status.phase=Running',
    },
    output: {
      short: 'o',
      value: 'FORMAT',
      choices: [
        'wide',
        'json',
        'yaml',
        'name',
        'jsonpath=',
        'custom-columns=',
        'custom-columns-file=',
        'go-template=',
        'go-template-file=',
      ],
      help: 'wide, json, yaml, name, jsonpath=TEMPLATE, go-template[-file]=TEMPLATE or custom-columns[-file]=SPEC',
    },
    'sort-by': {
      value: 'PATH',
      help: 'in the order of this field, such as .metadata.creationTimestamp',
    },
    watch: { short: 'w', help: 'go on with what changes' },
    'no-headers': { help: 'no first line with the names of the columns' },
    'show-labels': { help: 'labels as the last column' },
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  // All of this is for looking in alone; no other command is to load it.
  const { whatToGet } = await import('./look/get-request.ts')
  const { parseOutputFormat } = await import('./look/print-objects.ts')
  const wanted = whatToGet(options.positionals)
  const { parseFieldPath } = await import('./look/jsonpath.ts')
  const format = await parseOutputFormat(options.value('output'), context.cwd)
  const path = options.value('sort-by')
  const sortBy = path === undefined ? undefined : parseFieldPath(path)
  const clients = await sessionsFor(context, options)
  const several = wanted.length > 1
  const get = new Get(context, options, { clients, format, several, sortBy })
  if (options.flag('watch')) {
    const [only, ...others] = wanted
    if (only === undefined || others.length > 0)
      throw new Failure('usage', 'you may only watch one type of resource')
    return await get.watch(only)
  }
  return await get.list(wanted)
}

class Get {
  readonly #context: Context
  readonly #options: ParsedOptions
  readonly #clients: readonly ApiClient[]
  readonly #format: OutputFormat
  readonly #several: boolean
  readonly #sortBy: FieldPath | undefined

  constructor(
    context: Context,
    options: ParsedOptions,
    {
      clients,
      format,
      several,
      sortBy,
    }: {
      readonly clients: readonly ApiClient[]
      readonly format: OutputFormat
      readonly several: boolean
      readonly sortBy: FieldPath | undefined
    },
  ) {
    this.#context = context
    this.#options = options
    this.#clients = clients
    this.#format = format
    this.#several = several
    this.#sortBy = sortBy
  }

  async list(wanted: readonly Wanted[]): Promise<number> {
    const { stdout, stderr } = this.#context
    const format = this.#format
    let hasFailed = false
    let objects: readonly JsonObject[] = []
    const blocks: string[] = []
    let isOne = true
    for (const each of wanted) {
      const { answers, failures } = await this.#fetch(each)
      hasFailed ||= failures.length > 0
      isOne &&= each.names.length === 1 && wanted.length === 1
      for (const failure of failures) stderr.line(failure)
      if (format.kind === 'table') {
        const rows = await this.#sorted(answers.flatMap(rowsOf), rowObject)
        const text = (await this.#printer(each)).print(rows)
        if (text !== '') blocks.push(text)
      } else {
        const found = answers.flatMap(({ table }) => itemsOf(table))
        objects = [...objects, ...found]
      }
    }
    objects = await this.#sorted(objects, object => object)
    if (format.kind === 'object') {
      const { listOf } = await import('./look/print-objects.ts')
      const [only] = objects
      if (isOne && only !== undefined) stdout.raw(format.print(only))
      else if (!isOne) stdout.raw(format.print(listOf(objects)))
    } else if (format.kind === 'columns') {
      const noHeaders = this.#options.flag('no-headers')
      if (objects.length > 0 || !hasFailed)
        stdout.text(format.columns.print(objects, noHeaders))
    } else if (format.kind === 'name') {
      for (const object of objects) stdout.raw(nameLine(object))
    } else if (blocks.length > 0) {
      stdout.text(blocks.join(this.#options.flag('no-headers') ? '' : '\n'))
    } else if (!hasFailed) {
      stderr.line(this.#nothing(wanted))
    }
    return hasFailed ? exitCodes.failed : exitCodes.done
  }

  async watch({ resource, names }: Wanted): Promise<number> {
    const { askAll, urlOf } = await import('../client/api-client.ts')
    const { stdout } = this.#context
    if (names.length > 1)
      throw new Failure('usage', 'you may only watch one object or all')
    const [name] = names
    const abort = new AbortController()
    let signalled: NodeJS.Signals | undefined
    const stopListening = this.#context.onSignal(signal => {
      signalled ??= signal
      abort.abort()
    })
    const printer = await this.#printer({ resource, names })
    const format = this.#format
    const asTable = format.kind === 'table'
    const clients = resource.namespaced
      ? this.#clients
      : this.#clients.slice(0, 1)
    const show = (session: string, objects: readonly JsonObject[]): void => {
      if (format.kind === 'table')
        return stdout.text(
          printer.print(objects.map(table => ({ session, table }))),
        )
      if (format.kind === 'columns')
        return stdout.text(
          format.columns.print(objects, this.#options.flag('no-headers')),
        )
      for (const object of objects)
        stdout.raw(
          format.kind === 'object' ? format.print(object) : nameLine(object),
        )
    }
    const query = this.#query(name)
    const namespace = this.#namespace
    if (this.#sortBy !== undefined)
      this.#context.stderr.line(
        'warning: --watch requested, --sort-by will be ignored for watch events received',
      )
    await askAll(clients, async client => {
      const list = await client.get(urlOf(resource, { namespace, query }), {
        asTable,
      })
      const first = asTable
        ? (
            await this.#sorted(rowsOf({ session: '', table: list }), rowObject)
          ).map(({ table }) => table)
        : await this.#sorted(itemsOf(list), object => object)
      show(client.id, first)
      const { resourceVersion } = part(list, 'metadata')
      const url = urlOf(resource, {
        namespace,
        query: {
          ...query,
          watch: 'true',
          resourceVersion: text(resourceVersion),
        },
      })
      const events = client.watch(url, { asTable, signal: abort.signal })
      for await (const { type, object } of events)
        if (type !== 'BOOKMARK' && type !== 'ERROR') show(client.id, [object])
    })
    stopListening()
    return signalled === undefined
      ? exitCodes.done
      : exitCodeOfSignal(signalled)
  }

  get #namespace(): string | undefined {
    return this.#options.flag('all-namespaces')
      ? undefined
      : namespaceOf(this.#options)
  }

  #query(name: string | undefined): Record<string, string | undefined> {
    const fields = [
      this.#options.value('field-selector'),
      name === undefined ? undefined : `metadata.name=${name}`,
    ]
    return {
      labelSelector: this.#options.value('selector'),
      fieldSelector: fields.filter(each => each !== undefined).join(','),
      ...this.#include,
    }
  }

  /** To sort rows by what only the object has. */
  get #include(): Record<string, string | undefined> {
    return {
      includeObject: this.#sortBy === undefined ? undefined : 'Object',
    }
  }

  /** In the order that --sort-by asks for. */
  async #sorted<T>(
    entries: readonly T[],
    objectOf: (entry: T) => JsonObject,
  ): Promise<readonly T[]> {
    if (this.#sortBy === undefined) return entries
    const { sortObjects } = await import('./look/sort-objects.ts')
    return sortObjects(entries, this.#sortBy, objectOf)
  }

  async #fetch({ resource, names }: Wanted): Promise<{
    readonly answers: readonly { session: string; table: JsonObject }[]
    readonly failures: readonly string[]
  }> {
    const { ApiFailure, askAll, urlOf } =
      await import('../client/api-client.ts')
    const { findObject } = await import('./look/find-object.ts')
    const { serverError } = await import('./look/look-options.ts')
    const asTable = this.#format.kind === 'table'
    const answers: { session: string; table: JsonObject }[] = []
    const failures: string[] = []
    const namespace = this.#namespace
    if (names.length > 0 && namespace === undefined && resource.namespaced)
      throw new Failure(
        'usage',
        'a resource cannot be retrieved by name across all namespaces',
      )
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      try {
        await work()
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error
        failures.push(serverError(error))
      }
    }
    for (const name of names)
      await attempt(async () => {
        const { client, object } = await findObject(
          this.#clients,
          resource,
          namespace ?? '',
          name,
          { asTable, query: this.#include },
        )
        answers.push({ session: client.id, table: object })
      })
    if (names.length > 0) return { answers, failures }
    const url = urlOf(resource, { namespace, query: this.#query(undefined) })
    const clients = resource.namespaced
      ? this.#clients
      : this.#clients.slice(0, 1)
    await attempt(async () => {
      const all = await askAll(clients, client => client.get(url, { asTable }))
      for (const { client, answer } of all)
        answers.push({ session: client.id, table: answer })
    })
    return { answers, failures }
  }

  async #printer({ resource }: Wanted) {
    const { TablePrinter } = await import('./look/table-printer.ts')
    const { kindWord } = await import('./look/get-request.ts')
    return new TablePrinter({
      wide: this.#format.kind === 'table' && this.#format.wide,
      withNamespace:
        this.#options.flag('all-namespaces') && resource.namespaced,
      withSession: this.#clients.length > 1 && resource.namespaced,
      noHeaders: this.#options.flag('no-headers'),
      showLabels: this.#options.flag('show-labels'),
      prefix: this.#several ? kindWord(resource) : undefined,
    })
  }

  #nothing(wanted: readonly Wanted[]): string {
    const namespace = this.#namespace
    const isNamespaced = wanted.some(({ resource }) => resource.namespaced)
    return namespace === undefined || !isNamespaced
      ? 'No resources found'
      : `No resources found in ${namespace} namespace.`
  }
}

/** One row each, so that those of several podfs can be sorted. */
function rowsOf({ session, table }: SessionTable): readonly SessionTable[] {
  return items(table, 'rows').map(row => ({
    session,
    table: { ...table, rows: [row] },
  }))
}

function rowObject({ table }: SessionTable): JsonObject {
  const [row = {}] = items(table, 'rows')
  return part(row, 'object')
}

/** The objects of a list; of an object itself. */
function itemsOf(answer: JsonObject): readonly JsonObject[] {
  const kind = text(answer['kind'])
  if (!kind.endsWith('List') || !Array.isArray(answer['items'])) return [answer]
  return answer['items'] as readonly JsonObject[]
}

function nameLine(object: JsonObject): string {
  const group = /^(.*)\//.exec(text(object['apiVersion']))?.[1]
  const word = `${text(object['kind']).toLowerCase()}${group === undefined ? '' : `.${group}`}`
  return `${word}/${nameOf(object)}\n`
}
