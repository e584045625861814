import { items, nameOf, part, type JsonObject } from '../api/json.ts'
import type { ApiClient, Resource } from '../client/api-client.ts'
import { Failure } from '../util/failure.ts'
import type { Command, CommandGroup } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { lookOptions, namespaceOf, sessionsFor } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'

/** Of pod-changes.ts of the server. */
type Action = 'start' | 'stop' | 'restart'

const done: Readonly<Record<Action, string>> = {
  start: 'started',
  stop: 'stopped',
  restart: 'restarted',
}

const graceOption = {
  'grace-period': {
    value: 'SECONDS',
    help: 'instead of the grace period of the Pod; 0 kills at once',
  },
} as const

export const startCommand = podCommand('start', {
  summary: 'run Pods again that were stopped or deleted, or have ended',
  description:
    'Of Pods that a podfs runs: one that it does not run at all is chosen by podfs run or podfs.yaml.',
  examples: [{ comment: 'after podfs stop', line: 'podfs start web' }],
})

export const stopCommand = podCommand('stop', {
  summary: 'end Pods until podfs start',
  description: `Each ends as its deletion does, and does not come again, whatever its manifest says, until podfs start
or another podfs. podfs get shows it as NotRun.`,
  examples: [
    { comment: 'for the time being', line: 'podfs stop web' },
    { comment: "a Deployment's Pod", line: 'podfs stop deploy/web' },
  ],
})

export const restartCommand = podCommand('restart', {
  summary: 'end Pods and start them anew',
  description:
    'Each ends as its deletion does, which is waited for; then another one of its name takes its place, with a uid of its own.',
  examples: [
    { comment: 'a new Pod of the same manifest', line: 'podfs restart web' },
  ],
})

export const rolloutCommand: CommandGroup = {
  name: 'rollout',
  summary: 'restart the Pods of workloads, as kubectl rollout',
  commands: [
    {
      name: 'restart',
      summary: "end a workload's Pod and start it anew",
      usage: ['rollout restart TYPE/NAME..', 'rollout restart TYPE NAME..'],
      examples: [
        {
          comment: 'a new Pod of the same template',
          line: 'podfs rollout restart deploy/web',
        },
      ],
      options: lookOptions,
      run: async (context, options) => {
        const { whatToGet } = await import('./look/get-request.ts')
        const wanted = whatToGet(options.positionals)
        const targets = wanted.flatMap(({ resource, names }) =>
          names.map(name => ({ resource, name })),
        )
        if (targets.length === 0)
          throw new Failure('usage', 'required resource not specified', {
            fix: 'podfs rollout restart deploy/NAME',
          })
        for (const { resource } of targets)
          if (!restartable.has(resource.kind))
            throw new Failure(
              'usage',
              `${resource.plural} cannot be restarted with podfs rollout`,
              { fix: `podfs restart ${resource.singular}/NAME` },
            )
        // As kubectl it waits for nothing.
        return await actOn(context, options, 'restart', targets)
      },
    },
  ],
}

/** kubectl's objectrestarter. */
const restartable: ReadonlySet<string> = new Set([
  'Deployment',
  'DaemonSet',
  'StatefulSet',
])

function podCommand(
  action: Action,
  about: Pick<Command, 'summary' | 'description' | 'examples'>,
): Command {
  return {
    ...about,
    name: action,
    usage: [`${action} POD..`, `${action} TYPE/NAME..`],
    options: { ...lookOptions, ...(action === 'start' ? {} : graceOption) },
    run: async (context, options) => {
      const { resourceOf } = await import('./look/get-request.ts')
      if (options.positionals.length === 0)
        throw new Failure('usage', `podfs ${action} needs POD or TYPE/NAME`, {
          fix: 'podfs get pods -A',
        })
      const targets = options.positionals.map(word => {
        const [type = '', name, ...more] = word.split('/')
        if (name === undefined)
          return { resource: resourceOf('pods'), name: word }
        if (name !== '' && more.length === 0)
          return { resource: resourceOf(type), name }
        throw new Failure('usage', `POD or TYPE/NAME was expected: ${word}`)
      })
      const waits = action === 'restart'
      return await actOn(context, options, action, targets, waits)
    },
  }
}

interface Target {
  readonly resource: Resource
  readonly name: string
}

async function actOn(
  context: Context,
  options: ParsedOptions,
  action: Action,
  targets: readonly Target[],
  waits = false,
): Promise<number> {
  const { attempt } = await import('./look/attempt.ts')
  const { kindWord } = await import('./look/get-request.ts')
  const grace = graceIn(options)
  const clients = await sessionsFor(context, options)
  const namespace = namespaceOf(options)
  let hasFailed = false
  for (const target of targets) {
    const isDone = await attempt(context, async () => {
      const ends: (() => Promise<void>)[] = []
      for (const { client, name } of await podsOf(clients, namespace, target)) {
        const url = await actionUrl(namespace, name, action, grace)
        if (waits) ends.push(await endOfRun(client, namespace, name))
        await client.post(url, {})
      }
      await Promise.all(ends.map(end => end()))
      context.stdout.line(
        `${kindWord(target.resource)}/${target.name} ${done[action]}`,
      )
    })
    hasFailed ||= !isDone
  }
  return hasFailed ? exitCodes.failed : exitCodes.done
}

/**
 * What resolves when the Pod that runs now has ended: whoever waits for a Pod of this name to be
 * ready would else be shown the old one.
 */
async function endOfRun(
  client: ApiClient,
  namespace: string,
  name: string,
): Promise<() => Promise<void>> {
  const { urlOf } = await import('../client/api-client.ts')
  const { resourceOf } = await import('./look/get-request.ts')
  const { untilObject } = await import('./look/until-object.ts')
  const resource = resourceOf('pods')
  const query = { fieldSelector: `metadata.name=${name}` }
  const list = await client.get(urlOf(resource, { namespace, query }))
  const runOf = (pod: JsonObject | undefined) =>
    pod !== undefined && part(pod, 'status')['phase'] === 'Running'
      ? part(pod, 'metadata')['uid']
      : undefined
  const run = runOf(items(list, 'items')[0])
  if (run === undefined) return async () => {}
  const place = { client, resource, namespace, name }
  const { signal } = new AbortController()
  return async () => {
    await untilObject(place, pod => runOf(pod) !== run, signal)
  }
}

function graceIn(options: ParsedOptions): string | undefined {
  const given = options.value('grace-period')
  if (given === undefined || /^\d{1,9}$/.test(given)) return given
  throw new Failure('usage', `--grace-period: not a number: ${given}`)
}

async function actionUrl(
  namespace: string,
  name: string,
  subresource: Action,
  gracePeriodSeconds: string | undefined,
): Promise<string> {
  const { urlOf } = await import('../client/api-client.ts')
  const { resourceOf } = await import('./look/get-request.ts')
  const query = { gracePeriodSeconds }
  return urlOf(resourceOf('pods'), { namespace, name, subresource, query })
}

/**
 * The Pod itself, which nobody shows when it was deleted, or all of a workload's. Throws an
 * ApiFailure, or a Failure when there is none.
 */
async function podsOf(
  clients: readonly ApiClient[],
  namespace: string,
  { resource, name }: Target,
): Promise<readonly { readonly client: ApiClient; readonly name: string }[]> {
  const { urlOf } = await import('../client/api-client.ts')
  const { findObject } = await import('./look/find-object.ts')
  if (resource.kind === 'Pod') {
    const [only, ...others] = clients
    if (only !== undefined && others.length === 0)
      return [{ client: only, name }]
    const { client } = await findObject(clients, resource, namespace, name)
    return [{ client, name }]
  }
  const found = await findObject(clients, resource, namespace, name)
  const { uid } = part(found.object, 'metadata')
  const { resourceOf } = await import('./look/get-request.ts')
  const list = await found.client.get(urlOf(resourceOf('pods'), { namespace }))
  const own = items(list, 'items').filter(pod => isOwned(pod, uid))
  if (own.length === 0)
    throw new Failure('failed', `no Pod of ${resource.singular} ${name} runs`, {
      fix: `podfs describe ${resource.singular} ${name}`,
    })
  return own.map(pod => ({ client: found.client, name: nameOf(pod) }))
}

function isOwned(
  pod: JsonObject,
  uid: JsonObject[string] | undefined,
): boolean {
  return items(part(pod, 'metadata'), 'ownerReferences').some(
    owner => owner['uid'] === uid,
  )
}
