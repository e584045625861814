import { items, part, text, type JsonObject } from '../api/json.ts'
import type { ApiClient } from '../client/api-client.ts'
import { Failure } from '../util/failure.ts'
import { parseGoDuration } from '../util/go-duration.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodeOfSignal, exitCodes } from './exit-codes.ts'
import { lookOptions, namespaceOf, sessionsFor } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'
import { visible } from '../util/visible.ts'

export const logsCommand: Command = {
  name: 'logs',
  summary: 'print what the containers of a Pod have written, as kubectl logs',
  usage: ['logs POD [-c CONTAINER | --all-containers] [-f] [-p]'],
  description: `podfs keeps the newest MiB of each container's output in memory, and that of the instance before.`,
  examples: [
    { comment: 'the only container', line: 'podfs logs web' },
    {
      comment: 'the last ten lines, and what follows',
      line: 'podfs logs -f --tail 10 web -c app',
    },
    {
      comment: 'why the container was started again',
      line: 'podfs logs -p web',
    },
    {
      comment: 'all of the last five minutes',
      line: 'podfs logs web --all-containers --prefix --since 5m',
    },
  ],
  options: {
    ...lookOptions,
    container: { short: 'c', value: 'NAME', help: 'of this container' },
    'all-containers': { help: 'of all containers, init containers first' },
    follow: { short: 'f', help: 'go on until the container ends' },
    previous: {
      short: 'p',
      help: 'of the instance before the one that runs now',
    },
    tail: { value: 'LINES', help: 'only so many of the last lines' },
    since: {
      value: 'DURATION',
      help: 'only what is newer than this, such as 5s, 2m or 3h',
    },
    'since-time': { value: 'TIME', help: 'only what is newer (RFC 3339)' },
    'limit-bytes': { value: 'BYTES', help: 'at most so many bytes' },
    timestamps: { help: 'the time before each line' },
    prefix: { help: 'the container before each line' },
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const { ApiFailure } = await import('../client/api-client.ts')
  const { serverError } = await import('./look/look-options.ts')
  const { pod, container } = whoseLog(options)
  const query = logQuery(options)
  const clients = await sessionsFor(context, options)
  const abort = new AbortController()
  let signalled: NodeJS.Signals | undefined
  const stopListening = context.onSignal(signal => {
    signalled ??= signal
    abort.abort()
  })
  try {
    await printLogs(context, options, {
      clients,
      pod,
      container,
      query,
      signal: abort.signal,
    })
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error
    context.stderr.line(serverError(error))
    return exitCodes.failed
  }
  stopListening()
  return signalled === undefined ? exitCodes.done : exitCodeOfSignal(signalled)
}

interface LogRequest {
  readonly clients: readonly ApiClient[]
  readonly pod: string
  readonly container: string | undefined
  readonly query: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

async function printLogs(
  context: Context,
  options: ParsedOptions,
  { clients, pod, container, query, signal }: LogRequest,
): Promise<void> {
  const { findResource, urlOf } = await import('../client/api-client.ts')
  const { findObject } = await import('./look/find-object.ts')
  const pods = findResource('pods')
  if (pods === undefined) throw new Error('no resource of Pods')
  const namespace = namespaceOf(options)
  const { client, object } = await findObject(clients, pods, namespace, pod)
  const names = options.flag('all-containers')
    ? containersOf(object)
    : [container ?? defaultContainer(context, object)]
  const print = async (name: string): Promise<void> => {
    const url = urlOf(pods, {
      namespace,
      name: pod,
      subresource: 'log',
      query: { ...query, container: name },
    })
    const prefix = options.flag('prefix')
      ? visible(`[pod/${pod}/${name}] `)
      : ''
    const lines = new PrefixedLines(prefix, text => context.stdout.raw(text))
    for await (const chunk of client.stream(url, { signal })) lines.push(chunk)
    lines.end()
  }
  if (options.flag('follow')) await Promise.all(names.map(print))
  else for (const name of names) await print(name)
}

/** `POD`, `pod/POD`, and as kubectl still allows, `POD CONTAINER`. */
function whoseLog(options: ParsedOptions): {
  readonly pod: string
  readonly container: string | undefined
} {
  const [first, second, ...more] = options.positionals
  if (first === undefined || more.length > 0)
    throw new Failure('usage', 'one POD is needed', {
      fix: 'podfs logs --help',
    })
  const [, word, name] = /^(?:([a-z]+)\/)?(.*)$/.exec(first) ?? []
  if (word !== undefined && !['pod', 'pods', 'po'].includes(word))
    throw new Failure('usage', `only a Pod has logs, not a ${word}`)
  const container = options.value('container') ?? second
  if (container !== undefined && options.flag('all-containers'))
    throw new Failure(
      'usage',
      '--all-containers=true should not be specified with container name',
    )
  return { pod: name ?? first, container }
}

function logQuery(
  options: ParsedOptions,
): Readonly<Record<string, string | undefined>> {
  const flag = (name: string): string | undefined =>
    options.flag(name) ? 'true' : undefined
  const since = options.value('since')
  const sinceMs = since === undefined ? undefined : parseGoDuration(since)
  if (since !== undefined && sinceMs === undefined)
    throw new Failure('usage', `--since: invalid duration "${since}"`, {
      fix: 'such as 5s, 2m or 3h',
    })
  const tail = options.value('tail')
  if (tail !== undefined && !/^-?\d+$/.test(tail))
    throw new Failure('usage', `--tail: not a number: ${tail}`)
  return {
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    // -1 is kubectl's word for all.
    tailLines: tail === '-1' ? undefined : tail,
    sinceSeconds:
      sinceMs === undefined
        ? undefined
        : String(Math.max(Math.ceil(sinceMs / 1000), 1)),
    sinceTime: options.value('since-time'),
    limitBytes: options.value('limit-bytes'),
  }
}

function containersOf(pod: JsonObject): readonly string[] {
  return [
    ...containerNames(pod, 'initContainers'),
    ...containerNames(pod, 'containers'),
  ]
}

function containerNames(
  pod: JsonObject,
  key: 'initContainers' | 'containers',
): readonly string[] {
  return items(part(pod, 'spec'), key).map(({ name }) => text(name))
}

/** That of the annotation, else the first one, and a word on which it is (C347). */
function defaultContainer(context: Context, pod: JsonObject): string {
  const annotated = text(
    part(part(pod, 'metadata'), 'annotations')[
      'kubectl.kubernetes.io/default-container'
    ],
  )
  const containers = containerNames(pod, 'containers')
  if (containers.includes(annotated)) return annotated
  const [first = ''] = containers
  const all = [
    ...containers,
    ...containerNames(pod, 'initContainers').map(name => `${name} (init)`),
  ]
  if (all.length > 1)
    context.stderr.line(
      `Defaulted container "${first}" out of: ${all.join(', ')}`,
    )
  return first
}

/** Puts a prefix before each line, and writes whole lines, so that those of two never mix. */
class PrefixedLines {
  readonly #prefix: Buffer
  readonly #write: (text: Buffer) => void
  #rest = Buffer.alloc(0)

  constructor(prefix: string, write: (text: Buffer) => void) {
    this.#prefix = Buffer.from(prefix)
    this.#write = write
  }

  push(chunk: Buffer): void {
    let rest = Buffer.concat([this.#rest, chunk])
    const parts: Buffer[] = []
    for (;;) {
      const at = rest.indexOf(0x0a)
      if (at === -1) break
      parts.push(this.#prefix, rest.subarray(0, at + 1))
      rest = rest.subarray(at + 1)
    }
    this.#rest = rest
    if (parts.length > 0) this.#write(Buffer.concat(parts))
  }

  end(): void {
    if (this.#rest.length > 0)
      this.#write(Buffer.concat([this.#prefix, this.#rest]))
  }
}
