import { nameOf } from '../api/json.ts'
import type { ApiClient } from '../client/api-client.ts'
import { Failure } from '../util/failure.ts'
import { parseGoDuration } from '../util/go-duration.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodeOfSignal, exitCodes } from './exit-codes.ts'
import type { FoundObject } from './look/find-object.ts'
import { containersOf, defaultContainer } from './look/pod-containers.ts'
import { lookOptions, namespaceOf, sessionsFor } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'
import { visible } from '../util/visible.ts'

export const logsCommand: Command = {
  name: 'logs',
  summary: 'print what the containers of Pods have written, as kubectl logs',
  usage: [
    'logs POD [-c CONTAINER | --all-containers] [-f] [-p]',
    'logs TYPE/NAME ...',
    'logs -l SELECTOR ...',
  ],
  description: `TYPE/NAME is a workload or a Service: its Pod. With a selector the last ten lines of each container,
unless --tail says otherwise, and one container after the other, unless -f says that all are to be
followed.

podfs keeps the newest MiB of each container's output in memory, and that of the instance before,
or files, where podfs.yaml says logStorage: files.`,
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
    { comment: "of a Deployment's Pod", line: 'podfs logs -f deploy/web' },
    {
      comment: 'of all Pods of an application, each line with its Pod',
      line: 'podfs logs -l app=shop --prefix -f',
    },
    {
      comment: 'all of the last five minutes',
      line: 'podfs logs web --all-containers --prefix --since 5m',
    },
  ],
  options: {
    ...lookOptions,
    selector: {
      short: 'l',
      value: 'SELECTOR',
      help: 'of all Pods with these labels, such as app=web,tier!=front',
    },
    container: { short: 'c', value: 'NAME', help: 'of this container' },
    'all-containers': { help: 'of all containers, init containers first' },
    follow: { short: 'f', help: 'go on until the container ends' },
    previous: {
      short: 'p',
      help: 'of the instance before the one that runs now',
    },
    tail: {
      value: 'LINES',
      help: 'only so many of the last lines; -1: all (default -1, with a selector 10)',
    },
    since: {
      value: 'DURATION',
      help: 'only what is newer than this, such as 5s, 2m or 3h',
    },
    'since-time': { value: 'TIME', help: 'only what is newer (RFC 3339)' },
    'limit-bytes': { value: 'BYTES', help: 'at most so many bytes' },
    timestamps: { help: 'the time before each line' },
    prefix: { help: 'Pod and container before each line' },
    'max-log-requests': {
      value: 'NUMBER',
      help: 'how many containers may be followed at once with a selector (default 5)',
    },
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const { ApiFailure } = await import('../client/api-client.ts')
  const { serverError } = await import('./look/look-options.ts')
  const whose = whoseLogs(options)
  const query = logQuery(options)
  const clients = await sessionsFor(context, options)
  const abort = new AbortController()
  let signalled: NodeJS.Signals | undefined
  const stopListening = context.onSignal(signal => {
    signalled ??= signal
    abort.abort()
  })
  try {
    const pods = await podsOf(context, options, whose, clients)
    const logs = pods.flatMap(pod =>
      containersFor(context, options, whose.container, pod).map(
        (container): Log => ({ ...pod, container }),
      ),
    )
    const print = async (log: Log): Promise<void> =>
      await printLog(context, options, { log, query, signal: abort.signal })
    if (options.flag('follow')) {
      if (whose.selector !== undefined)
        refuseMany(logs.length, options.value('max-log-requests'))
      await Promise.all(logs.map(print))
    } else for (const log of logs) await print(log)
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error
    context.stderr.line(serverError(error))
    return exitCodes.failed
  }
  stopListening()
  return signalled === undefined ? exitCodes.done : exitCodeOfSignal(signalled)
}

interface Log extends FoundObject {
  readonly container: string
}

/** What the arguments name. */
type Whose = { readonly container: string | undefined } & (
  | { readonly selector: string }
  | {
      readonly selector?: undefined
      /** Such as `deploy`; of `POD` alone `pods`. */
      readonly type: string
      readonly name: string
    }
)

async function podsOf(
  context: Context,
  options: ParsedOptions,
  whose: Whose,
  clients: readonly ApiClient[],
): Promise<readonly FoundObject[]> {
  const { PodFinder } = await import('./look/find-pods.ts')
  const namespace = namespaceOf(options)
  const finder = new PodFinder(clients, namespace)
  if (whose.selector === undefined) {
    const { pod, others } = await finder.ofObject(whose.type, whose.name)
    if (others > 0)
      context.stderr.line(
        `Found ${others + 1} pods, using pod/${nameOf(pod.object)}`,
      )
    return [pod]
  }
  const pods = await finder.selected(whose.selector)
  if (pods.length === 0)
    context.stderr.line(`No resources found in ${namespace} namespace.`)
  return pods
}

function containersFor(
  context: Context,
  options: ParsedOptions,
  container: string | undefined,
  { object }: FoundObject,
): readonly string[] {
  if (options.flag('all-containers')) return containersOf(object)
  return [container ?? defaultContainer(context, object)]
}

/** So that nobody opens hundreds of requests by a selector of one letter. */
function refuseMany(count: number, given = '5'): void {
  if (!/^\d+$/.test(given) || Number(given) < 1)
    throw new Failure(
      'usage',
      `--max-log-requests: not a number above 0: ${given}`,
    )
  if (count > Number(given))
    throw new Failure(
      'failed',
      `you are attempting to follow ${count} log streams, but maximum allowed concurrency is ${given}, use --max-log-requests to increase the limit`,
    )
}

async function printLog(
  context: Context,
  options: ParsedOptions,
  {
    log: { client, object, container },
    query,
    signal,
  }: {
    readonly log: Log
    readonly query: Readonly<Record<string, string | undefined>>
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { findResource, urlOf } = await import('../client/api-client.ts')
  const pods = findResource('pods')
  if (pods === undefined) throw new Error('no resource of Pods')
  const name = nameOf(object)
  const url = urlOf(pods, {
    namespace: namespaceOf(options),
    name,
    subresource: 'log',
    query: { ...query, container },
  })
  const prefix = options.flag('prefix')
    ? visible(`[pod/${name}/${container}] `)
    : ''
  const lines = new PrefixedLines(prefix, text => context.stdout.raw(text))
  for await (const chunk of client.stream(url, { signal })) lines.push(chunk)
  lines.end()
}

/** `POD`, `TYPE/NAME`, `-l SELECTOR`, and as kubectl still allows, `POD CONTAINER`. */
function whoseLogs(options: ParsedOptions): Whose {
  const [first, second, ...more] = options.positionals
  const selector = options.value('selector')
  if (selector !== undefined && first !== undefined)
    throw new Failure(
      'usage',
      'only a selector (-l) or a POD name is allowed',
      { fix: 'podfs logs --help' },
    )
  const container = options.value('container') ?? second
  if (container !== undefined && options.flag('all-containers'))
    throw new Failure(
      'usage',
      '--all-containers=true should not be specified with container name',
    )
  if (selector !== undefined) return { selector, container }
  if (first === undefined || more.length > 0)
    throw new Failure('usage', 'one POD or TYPE/NAME is needed', {
      fix: 'podfs logs --help',
    })
  const [, type = 'pods', name = ''] = /^(?:([^/]+)\/)?(.*)$/.exec(first) ?? []
  return { type, name, container }
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
    tailLines: tail === '-1' ? undefined : (tail ?? defaultTail(options)),
    sinceSeconds:
      sinceMs === undefined
        ? undefined
        : String(Math.max(Math.ceil(sinceMs / 1000), 1)),
    sinceTime: options.value('since-time'),
    limitBytes: options.value('limit-bytes'),
  }
}

function defaultTail(options: ParsedOptions): string | undefined {
  return options.value('selector') === undefined ? undefined : '10'
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
