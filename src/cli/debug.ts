import { randomInt } from 'node:crypto'
import { items, part, text, type JsonObject } from '../api/json.ts'
import { Failure } from '../util/failure.ts'
import { writableAgain } from '../util/writable-again.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodeOfSignal, exitCodes } from './exit-codes.ts'
import type { FoundObject } from './look/find-object.ts'
import { lookOptions } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'

export const debugCommand: Command = {
  name: 'debug',
  summary: 'add a container to a Pod that runs, as kubectl debug',
  usage: [
    'debug [-i] [-t] POD --image=IMAGE [--target CONTAINER] [-c NAME] [-- COMMAND [ARGS...]]',
  ],
  description: `An ephemeral container: beside the others, with the Pod's network and volumes of its own choice, with the
right to trace (SYS_PTRACE). It runs once, and stays in the Pod's status until the Pod ends. IMAGE is a
program of this machine, as the image map of the podfs that runs the Pod has it.`,
  examples: [
    {
      comment: "a shell that sees a container's processes",
      line: 'podfs debug -it web --image=busybox --target=app',
    },
    {
      comment: 'one command',
      line: 'podfs debug -i web --image=busybox -- wget -qO- localhost:8080',
    },
  ],
  options: {
    ...lookOptions,
    image: { value: 'IMAGE', help: 'what the image map knows' },
    container: {
      short: 'c',
      value: 'NAME',
      help: 'its name; without one it is debugger-XXXXX',
    },
    target: {
      value: 'CONTAINER',
      help: 'see and signal the processes of this container',
    },
    stdin: {
      short: 'i',
      help: 'pass standard input to it, and wait for its end',
    },
    tty: { short: 't', help: 'give it a terminal' },
    quiet: { short: 'q', help: 'say nothing but what the container says' },
    'copy-to': {
      value: 'NAME',
      help: 'is not there: a Pod is what its files say',
    },
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const [word, ...command] = options.positionals
  const image = options.value('image')
  refuseOther(word, options)
  if (word === undefined)
    throw new Failure('usage', 'one POD is needed', {
      fix: 'podfs debug --help',
    })
  if (image === undefined || image === '')
    throw new Failure('usage', 'you must specify --image', {
      fix: `podfs debug -it ${word} --image=busybox`,
    })
  const [{ ApiFailure }, { serverError }, pods] = await Promise.all([
    import('../client/api-client.ts'),
    import('./look/look-options.ts'),
    import('./look/the-pod.ts'),
  ])
  const isQuiet = options.flag('quiet')
  try {
    const pod = await pods.runningPod(context, options, {
      word,
      verb: 'debug',
    })
    const name = options.value('container') ?? newName()
    if (options.value('container') === undefined && !isQuiet)
      context.stderr.line(`Defaulting debug container name to ${name}.`)
    const { containersOf } = await import('./look/pod-containers.ts')
    if (containersOf(pod.object).includes(name))
      throw new Failure('failed', `the Pod has a container ${name} already`, {
        fix: 'another name with -c, or none',
      })
    const target = options.value('target')
    const isInteractive = options.flag('stdin')
    const container = {
      name,
      image,
      ...(command.length > 0 && { command }),
      ...(isInteractive && { stdin: true }),
      ...(options.flag('tty') && { tty: true }),
      ...(target !== undefined && { targetContainerName: target }),
      // kubectl's profile `general`.
      securityContext: { capabilities: { add: ['SYS_PTRACE'] } },
    }
    await pod.client.patch(
      pods.podUrl(pod, 'ephemeralcontainers', {}),
      { spec: { ephemeralContainers: [container] } },
      'strategic-merge',
    )
    return isInteractive
      ? await attach(context, pod, { name, tty: options.flag('tty'), isQuiet })
      : exitCodes.done
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error
    context.stderr.line(serverError(error))
    return exitCodes.failed
  }
}

function refuseOther(word: string | undefined, options: ParsedOptions): void {
  if (options.value('copy-to') !== undefined)
    throw new Failure(
      'usage',
      '--copy-to is not supported: a Pod is what its files say',
      { fix: 'copy its manifest under another name' },
    )
  if (/^(nodes?|no)\//.test(word ?? ''))
    throw new Failure(
      'usage',
      'debugging a node is not supported: the node is this machine',
      { fix: 'podfs debug POD --image=IMAGE' },
    )
}

/** As kubectl makes it up, of letters that make no words. */
function newName(): string {
  const letters = 'bcdfghjklmnpqrstvwxz2456789'
  const suffix = Array.from({ length: 5 }, () =>
    letters.charAt(randomInt(letters.length)),
  )
  return `debugger-${suffix.join('')}`
}

interface Wanted {
  readonly name: string
  readonly tty: boolean
  readonly isQuiet: boolean
}

/** Resolves with its exit code. Throws an ApiFailure. */
async function attach(
  context: Context,
  pod: FoundObject,
  { name, tty, isQuiet }: Wanted,
): Promise<number> {
  const [pods, streaming] = await Promise.all([
    import('./look/the-pod.ts'),
    import('./look/run-streams.ts'),
  ])
  const begun = await untilState(context, pod, name, ['running', 'terminated'])
  if (typeof begun === 'number') return begun
  /** It was quicker than whoever wants to see it. */
  const showLog = async (state: JsonObject): Promise<number> => {
    const { reason, message, exitCode } = part(state, 'terminated')
    const log = pods.podUrl(pod, 'log', { container: name })
    for await (const chunk of pod.client.stream(log))
      if (!process.stdout.write(chunk)) await writableAgain(process.stdout)
    if (reason === 'StartError') context.stderr.line(`error: ${text(message)}`)
    return Number(exitCode)
  }
  if (begun['terminated'] !== undefined) return await showLog(begun)
  const wanted = streaming.wantedOf(context, { stdin: true, tty })
  const streams = await pods.podStreams(pod, 'attach', {
    container: name,
    stdin: true,
    stdout: true,
    // A terminal has one output, whoever looks.
    stderr: !tty,
    tty,
  })
  if (wanted.tty && !isQuiet)
    context.stderr.line(
      "If you don't see a command prompt, try pressing enter.",
    )
  let isAttached = true
  const code = await streaming.runStreams(context, streams, {
    ...wanted,
    onError: () => {
      isAttached = false
      return Promise.resolve(exitCodes.failed)
    },
  })
  // podfs was told to end.
  if (isAttached && code !== 0) return code
  const end = await untilState(context, pod, name, ['terminated'])
  if (typeof end === 'number') return end
  return isAttached
    ? Number(part(end, 'terminated')['exitCode'])
    : await showLog(end)
}

/**
 * Its state as soon as it is one of these, or the exit code for what it waits for in vain: its image
 * is known to nobody, the Pod has gone, or somebody has lost patience.
 */
async function untilState(
  context: Context,
  pod: FoundObject,
  name: string,
  states: readonly ('running' | 'terminated')[],
): Promise<JsonObject | number> {
  const { findResource } = await import('../client/api-client.ts')
  const { untilObject } = await import('./look/until-object.ts')
  const resource = findResource('pods')
  if (resource === undefined) throw new Error('no resource of Pods')
  const metadata = part(pod.object, 'metadata')
  const abort = new AbortController()
  let signalled: NodeJS.Signals | undefined
  const stopListening = context.onSignal(signal => {
    signalled ??= signal
    abort.abort()
  })
  let result: JsonObject | number = exitCodes.failed
  let told = ''
  const place = {
    client: pod.client,
    resource,
    namespace: text(metadata['namespace']),
    name: text(metadata['name']),
  }
  try {
    await untilObject(
      place,
      object => {
        const uid = object && part(object, 'metadata')['uid']
        if (object === undefined || uid !== metadata['uid']) {
          context.stderr.line('error: the Pod has gone')
          return true
        }
        const state = stateOf(object, name)
        if (states.some(each => state[each] !== undefined)) {
          result = state
          return true
        }
        const { reason, message } = part(state, 'waiting')
        if (message !== undefined && message !== told) {
          told = text(message)
          const isVain = reason === 'ErrImagePull'
          context.stderr.line(
            `${isVain ? 'error' : 'warning'}: container ${name}: ${told}`,
          )
          if (isVain) {
            context.stderr.line(
              '  -- COMMAND, or an entry for the image: images in podfs.yaml, podfs run --image',
            )
            return true
          }
        }
        return false
      },
      abort.signal,
    )
  } finally {
    stopListening()
  }
  return signalled === undefined ? result : exitCodeOfSignal(signalled)
}

function stateOf(pod: JsonObject, name: string): JsonObject {
  const found = items(part(pod, 'status'), 'ephemeralContainerStatuses').find(
    status => status['name'] === name,
  )
  return part(found ?? {}, 'state')
}
