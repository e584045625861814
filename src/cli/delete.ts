import { nameOf, part, text, type JsonObject } from '../api/json.ts'
import type { ApiClient, Resource } from '../client/api-client.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import type { FoundObject } from './look/find-object.ts'
import type { Wanted } from './look/get-request.ts'
import {
  listOptions,
  lookOptions,
  namespaceOf,
  sessionsFor,
} from './look/look-options.ts'
import { durationIn, type ParsedOptions } from './options.ts'

export const deleteCommand: Command = {
  name: 'delete',
  summary: 'end Pods that run, as kubectl delete',
  usage: [
    'delete pod NAME.. [--grace-period SECONDS | --now] [--force] [--wait=false]',
    'delete pods -l SELECTOR | --all',
  ],
  description: `The Pod ends as in a cluster: preStop, SIGTERM, the grace period, SIGKILL. One of a Deployment or
another workload comes again, as its controller would have it. A Pod of its own stays away until its
manifest changes, or until podfs start. The files stay as they are: other objects are deleted there.`,
  examples: [
    {
      comment: 'end a Pod, and wait until it is gone',
      line: 'podfs delete pod web',
    },
    {
      comment: 'at once, without a grace period',
      line: 'podfs delete pod web --grace-period=0 --force',
    },
    {
      comment: 'all Pods of an application',
      line: 'podfs delete pods -l app=shop',
    },
  ],
  options: {
    ...lookOptions,
    selector: listOptions.selector,
    all: { help: 'all Pods of the namespace' },
    'grace-period': {
      value: 'SECONDS',
      help: 'instead of the grace period of the Pod; 0 only with --force',
    },
    now: { help: 'the same as --grace-period=1' },
    force: { help: 'with --grace-period=0: kill at once, and do not wait' },
    wait: {
      value: 'true|false',
      bare: 'true',
      choices: ['true', 'false'],
      help: 'until they are gone (default true, with --force false)',
    },
    timeout: {
      value: 'DURATION',
      help: 'wait no longer than this, such as 30s (default: for ever)',
    },
    'ignore-not-found': { help: 'what is not there is no failure' },
  },
  run,
}

interface HowToDelete {
  /** Undefined: the Pod says. */
  readonly graceSeconds: number | undefined
  readonly waits: boolean
  readonly isForced: boolean
  /** Undefined: for ever. */
  readonly timeoutMs: number | undefined
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const { ApiFailure, urlOf } = await import('../client/api-client.ts')
  const { refuseNamesBeside, refuseNothingNamed, whatToGet } =
    await import('./look/get-request.ts')
  const { serverError } = await import('./look/look-options.ts')
  const { timeLimit, untilObject } = await import('./look/until-object.ts')
  const wanted = whatToGet(options.positionals)
  const selects = options.flag('all') || options.value('selector') !== undefined
  refuseNamesBeside(selects, wanted)
  if (!selects)
    refuseNothingNamed(wanted, 'podfs delete pod NAME, -l SELECTOR, or --all')
  const how = howToDelete(options)
  const clients = await sessionsFor(context, options)
  const namespace = namespaceOf(options)
  if (how.isForced && how.graceSeconds === 0)
    context.stderr.line(
      'Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated.',
    )
  let hasFailed = false
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error
      const isFine =
        error.reason === 'NotFound' && options.flag('ignore-not-found')
      if (isFine) return
      context.stderr.line(serverError(error))
      hasFailed = true
    }
  }
  const gone: (() => Promise<void>)[] = []
  const limit = timeLimit(context.clock, how.timeoutMs)
  const deleteOne = async (
    resource: Resource,
    { client, object }: FoundObject,
  ): Promise<void> => {
    const name = nameOf(object)
    const { uid } = part(object, 'metadata')
    const url = urlOf(resource, { namespace, name })
    const { graceSeconds } = how
    await client.delete(url, {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      ...(graceSeconds !== undefined && { gracePeriodSeconds: graceSeconds }),
    })
    context.stdout.line(
      `${resource.singular} ${JSON.stringify(name)} ${how.isForced ? 'force ' : ''}deleted from ${namespace} namespace`,
    )
    const isGone = (now: JsonObject | undefined): boolean =>
      now === undefined || part(now, 'metadata')['uid'] !== uid
    gone.push(async () => {
      const place = { client, resource, namespace, name }
      if (await untilObject(place, isGone, limit.signal)) return
      context.stderr.line(
        `error: timed out waiting for the condition on ${resource.plural}/${name}`,
      )
      hasFailed = true
    })
  }
  try {
    for (const each of wanted) {
      await attempt(async () => {
        const found = await findAll(clients, each, namespace, options)
        if (found.length === 0) context.stdout.line('No resources found')
        for (const object of found)
          await attempt(() => deleteOne(each.resource, object))
      })
    }
    if (how.waits) await Promise.all(gone.map(wait => wait()))
  } finally {
    limit.end()
  }
  return hasFailed ? exitCodes.failed : exitCodes.done
}

/** complete() and RunDelete of kubectl's pkg/cmd/delete/delete.go. */
function howToDelete(options: ParsedOptions): HowToDelete {
  const given = options.value('grace-period')
  const isForced = options.flag('force')
  const now = options.flag('now')
  const waits = options.value('wait')
  if (given !== undefined && !/^-?\d{1,9}$/.test(given))
    throw new Failure('usage', `--grace-period: not a number: ${given}`)
  if (waits !== undefined && waits !== 'true' && waits !== 'false')
    throw new Failure('usage', `--wait: true or false, not ${waits}`)
  if (given !== undefined && now)
    throw new Failure(
      'usage',
      '--now and --grace-period cannot be specified together',
    )
  const seconds = now ? 1 : Number(given ?? -1)
  if (isForced && seconds > 0)
    throw new Failure(
      'usage',
      '--force and --grace-period greater than 0 cannot be specified together',
    )
  const timeoutMs = durationIn(options, 'timeout')
  if (isForced)
    return { graceSeconds: 0, isForced, waits: waits === 'true', timeoutMs }
  return {
    // Without --force even 0 waits until the Pod is gone.
    graceSeconds: seconds < 0 ? undefined : Math.max(1, seconds),
    isForced,
    waits: waits !== 'false',
    timeoutMs: timeoutMs === 0 ? undefined : timeoutMs,
  }
}

/** The objects that are named, or that are selected. Throws an ApiFailure. */
async function findAll(
  clients: readonly ApiClient[],
  { resource, names }: Wanted,
  namespace: string,
  options: ParsedOptions,
): Promise<readonly FoundObject[]> {
  const { findObject, listObjects } = await import('./look/find-object.ts')
  if (names.length > 0)
    return await Promise.all(
      names.map(name => findObject(clients, resource, namespace, name)),
    )
  const selector = options.value('selector')
  const all = await listObjects(clients, resource, namespace, selector)
  return all.filter(
    // What is not run here nobody can end.
    ({ object }) => text(part(object, 'status')['reason']) !== 'NotRun',
  )
}
