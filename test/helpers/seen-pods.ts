import type { Test } from 'tap'
import { container, object, writer, type Json } from './conformance-pod.ts'
import { startPodfs, type RunningPodfs } from './podfs.ts'

/*
 * All Pods of a directory in one `podfs run`, and each status that they have, as `podfs get -w`
 * shows them.
 */

export interface SeenContainer {
  readonly name: string
  readonly image: string
  readonly ready: boolean
  readonly started: boolean
  readonly restartCount: number
  readonly state: SeenState
  readonly lastState: SeenState
}

interface SeenState {
  readonly running?: { readonly startedAt: string }
  readonly waiting?: { readonly reason: string; readonly message?: string }
  readonly terminated?: {
    readonly exitCode: number
    readonly reason: string
    readonly message?: string
    readonly startedAt: string | null
    readonly finishedAt: string | null
  }
}

interface SeenObject {
  readonly metadata: {
    readonly name: string
    readonly deletionTimestamp?: string
  }
  readonly status: {
    readonly observedGeneration?: number
    readonly phase: string
    readonly reason?: string
    readonly conditions: readonly Json[]
    readonly initContainerStatuses?: readonly SeenContainer[]
    readonly containerStatuses?: readonly SeenContainer[]
  }
}

export interface SeenPod {
  readonly phase: string
  readonly isTerminating: boolean
  /** All of it. */
  readonly status: SeenObject['status']
  readonly condition: (type: string) => Json | undefined
  readonly of: (container: string) => SeenContainer
}

export interface SeenPods {
  readonly run: RunningPodfs
  /** What was said of a Pod so far, from when it ran. */
  readonly history: (pod: string) => readonly SeenPod[]
  /** The first status, from now or before, of which this holds. */
  readonly until: (
    pod: string,
    holds: (seen: SeenPod) => boolean,
  ) => Promise<SeenPod>
  /** With its last phase. */
  readonly over: (pod: string) => Promise<SeenPod>
}

/** Saves a Pod without a token, and with a grace period of a second, if its spec says nothing else. */
export function podSaver(
  directory: string,
): (name: string, spec: Json) => Promise<void> {
  const write = writer(directory)
  const usual = {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 1,
  }
  return (name, spec) =>
    write(`${name}.json`, object.pod({ name }, { ...usual, ...spec }))
}

/**
 * Runs what `directory` holds. One more Pod is added that does not end: with the last of them
 * podfs would end, too. Resolves when the others have begun.
 */
export async function runPods(
  t: Test,
  directory: string,
  env: NodeJS.ProcessEnv = {},
): Promise<SeenPods> {
  const stays = container(
    'stays',
    `trap 'exit 0' TERM; echo up; sleep 1000 & wait`,
  )
  await writer(directory)(
    'stays.json',
    object.pod(
      { name: 'stays' },
      { automountServiceAccountToken: false, containers: [stays] },
    ),
  )
  const args = ['--all', '--log-level', 'info']
  const run = startPodfs(t, ['run', '-f', directory, ...args], { env })
  await run.saw(/^\S*stays +\| up$/m)
  const session = ['--session', `run-${run.pid}`]
  const watch = startPodfs(t, [
    'get',
    'pods',
    '-w',
    '-A',
    '-o',
    'json',
    ...session,
  ])
  const all: { readonly name: string; readonly seen: SeenPod }[] = []
  const waiting = new Set<() => void>()
  let text = ''
  watch.child.stdout?.on('data', (more: string) => {
    const parts = (text + more).split(/(?<=^\}\n)/m)
    text = /^\}\n$/m.test(parts.at(-1) ?? '') ? '' : (parts.pop() ?? '')
    for (const part of parts) {
      const { metadata, status } = JSON.parse(part) as SeenObject
      // A new object has a phase, and nothing more yet.
      if (status.containerStatuses !== undefined)
        all.push({ name: metadata.name, seen: seenPod({ metadata, status }) })
    }
    for (const look of waiting) look()
  })
  const history = (pod: string): readonly SeenPod[] =>
    all.filter(({ name }) => name === pod).map(({ seen }) => seen)
  const until: SeenPods['until'] = (pod, holds) =>
    new Promise(resolve => {
      const look = (): void => {
        const found = history(pod).find(holds)
        if (found === undefined) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  return {
    run,
    history,
    until,
    over: pod =>
      until(pod, ({ phase }) => phase === 'Succeeded' || phase === 'Failed'),
  }
}

function seenPod({ metadata, status }: SeenObject): SeenPod {
  const { initContainerStatuses = [], containerStatuses = [] } = status
  const all = [...initContainerStatuses, ...containerStatuses]
  return {
    phase: status.phase,
    isTerminating: metadata.deletionTimestamp !== undefined,
    status,
    condition: type => status.conditions.find(each => each['type'] === type),
    of: container => {
      const found = all.find(({ name }) => name === container)
      if (found === undefined) throw new Error(`no container ${container}`)
      return found
    },
  }
}
