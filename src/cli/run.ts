import { EventEmitter } from 'node:events'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodeOfSignal, exitCodes } from './exit-codes.ts'
import {
  backendOption,
  commonOptions,
  sourceOptions,
  type ParsedOptions,
} from './options.ts'
import { requireRoot, sessionOptions } from './session-options.ts'

export const runCommand: Command = {
  name: 'run',
  summary: "run a Pod's containers as local processes",
  usage: ['run -f PATH.. [POD]'],
  description: `Starts the containers of one Pod as processes of this machine, in mount and PID namespaces of
their own, with the Pod's volumes and a generated /etc/hosts. The first Ctrl-C ends the Pod as its
deletion does, the second one kills it.`,
  examples: [
    { comment: 'the only Pod of a manifest', line: 'podfs run -f pod.yaml' },
    { comment: 'one Pod of several', line: 'podfs run -f k8s/ web' },
    {
      comment: 'what kustomize makes',
      line: 'kubectl kustomize . | podfs run -f -',
    },
    {
      comment: 'which program of this machine an image stands for',
      line: "podfs run -f pod.yaml --image 'registry.example.com/shop/web=node server.js'",
    },
  ],
  options: {
    ...sourceOptions,
    pod: { value: 'NAME', help: 'the Pod, when there are several' },
    image: {
      value: "'PATTERN=COMMAND'",
      repeatable: true,
      help: 'what an image stands for on this machine',
    },
    'host-root': {
      help: "give containers the host's file system as it is",
    },
    ...backendOption,
    ...commonOptions,
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const { paths, pod } = whatToRun(options)
  requireRoot(context, 'run')
  const { startPod } = await import('../daemon/run-session.ts')
  const shared = await sessionOptions(context, options, paths)

  let signalled: NodeJS.Signals | undefined
  const signals = new EventEmitter<{ signal: [] }>()
  const stopListening = context.onSignal(signal => {
    signalled ??= signal
    signals.emit('signal')
  })
  const countdown = new Countdown(context)
  const session = await startPod({
    ...shared,
    pod,
    images: options.values('image'),
    hostRoot: options.flag('host-root'),
    onOutput: (stream, lines) =>
      countdown.around(() => context[stream].write(lines)),
    notice: text =>
      countdown.around(() => context.stderr.write(`podfs: ${text}\n`)),
  })
  const terminate = (): void => {
    countdown.start(session.pod.spec.terminationGracePeriodSeconds)
    session.terminate()
  }
  signals.on('signal', terminate)
  // A Ctrl-C during the start counts, too.
  if (signalled !== undefined) terminate()
  const status = await session.finished
  countdown.stop()
  await session.close()
  stopListening()
  if (signalled !== undefined) return exitCodeOfSignal(signalled)
  if (status.phase === 'Succeeded' || session.deleted()) return exitCodes.done
  const { namespace, name } = session.pod.metadata
  throw new Failure(
    'failed',
    `Pod ${namespace}/${name} has failed${why(status)}`,
  )
}

interface Ended {
  readonly reason?: string
  readonly message?: string
  readonly containerStatuses: readonly {
    readonly name: string
    readonly state: {
      readonly terminated?: {
        readonly exitCode: number
        readonly message?: string
      }
    }
  }[]
}

function why(status: Ended): string {
  const parts = status.containerStatuses.flatMap(({ name, state }) => {
    const { exitCode = 0, message } = state.terminated ?? {}
    if (exitCode === 0) return []
    return `container ${name}: ${message ?? `exit code ${exitCode}`}`
  })
  if (status.message !== undefined) parts.unshift(status.message)
  return parts.length === 0 ? '' : `: ${parts.join(', ')}`
}

function whatToRun(options: ParsedOptions): {
  readonly paths: readonly string[]
  readonly pod: string | undefined
} {
  // `-f *.yaml` reaches us as one -f and further paths; no Pod's name looks like one.
  const isPath = (word: string): boolean => /\/|\.(ya?ml|json)$/.test(word)
  const paths = [
    ...options.values('filename'),
    ...options.positionals.filter(isPath),
  ]
  const names = [
    ...options.positionals.filter(word => !isPath(word)),
    ...options.values('pod'),
  ]
  if (options.values('filename').length === 0)
    throw new Failure('usage', 'no -f PATH was given', {
      fix: 'podfs run -f PATH [POD]',
    })
  if (names.length > 1)
    throw new Failure(
      'usage',
      `one Pod at a time, not ${names.length}: ${names.join(', ')}`,
    )
  return { paths, pod: names[0] }
}

/**
 * `terminating: 29 s left` on a terminal, as its last line, with output above it; one plain
 * line elsewhere.
 */
class Countdown {
  readonly #context: Context
  #left = 0
  #timer: { cancel(): void } | undefined
  #started = false

  constructor(context: Context) {
    this.#context = context
  }

  start(seconds: number): void {
    if (this.#started) return
    this.#started = true
    this.#left = seconds
    if (this.#context.stderrIsTerminal) return this.#tick()
    this.#context.stderr.write(
      `podfs: terminating, up to ${seconds} s; a second Ctrl-C kills at once\n`,
    )
  }

  stop(): void {
    if (this.#timer === undefined) return
    this.#timer.cancel()
    this.#timer = undefined
    this.#clear()
  }

  /** Writes something else: the countdown makes room and comes back after it. */
  around(write: () => void): void {
    if (this.#timer === undefined) return write()
    this.#clear()
    write()
    this.#draw()
  }

  #tick(): void {
    this.#draw()
    this.#timer = this.#context.clock.after(1000, () => {
      this.#left = Math.max(this.#left - 1, 0)
      this.#tick()
    })
  }

  #draw(): void {
    this.#context.stderr.write(
      `\r\u001b[Kpodfs: terminating, ${this.#left} s left; a second Ctrl-C kills at once`,
    )
  }

  #clear(): void {
    this.#context.stderr.write('\r\u001b[K')
  }
}
