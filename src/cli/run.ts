import { EventEmitter } from 'node:events'
import { parsePodReference, type PodChoice } from '../pods/choose-pods.ts'
import { parsePublished } from '../pods/published-ports.ts'
import { requireOwnNamespace } from '../session/own-namespace.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodeOfSignal, exitCodes } from './exit-codes.ts'
import {
  backendOption,
  commonOptions,
  networkOption,
  sourceOptions,
  verboseOption,
  type ParsedOptions,
  refuseEmpty,
} from './options.ts'
import { enterNetwork } from './enter-network.ts'
import { inputOf, isEmptyInput, type Input } from './input.ts'
import { selectedBy, selectorOption } from './selector-option.ts'
import { sessionOptions } from './session-options.ts'

export const runCommand: Command = {
  name: 'run',
  summary: "run a Pod's containers as local processes",
  usage: [
    'run -f PATH.. | -k DIR | --helm CHART [NAME..]',
    'run -f PATH.. --all [cronjob/NAME..]',
    'run -f PATH.. -l SELECTOR [cronjob/NAME..]',
  ],
  description: `Starts the containers of Pods as processes of this machine, in mount and PID namespaces of their
own, with the Pod's volumes and a generated /etc/hosts. A Deployment, StatefulSet, DaemonSet, Job
or CronJob runs as one Pod of its template; that of a Job is tried again as its backoffLimit says.
What changes in the files is applied: labels, annotations and the data of volumes at once, the rest
by a restart of the Pod. The first Ctrl-C ends the Pods as their deletion does, the second one
kills them.

NAME is a Pod's or a workload's name: web, pod/web, deployment/web. --all and -l leave CronJobs
and suspended Jobs out, which would run at once, but for CronJobs that are named.`,
  examples: [
    { comment: 'the only Pod of a manifest', line: 'podfs run -f pod.yaml' },
    {
      comment: 'some of several',
      line: 'podfs run -f k8s/ web statefulset/db',
    },
    {
      comment: 'every Pod there is, and one CronJob',
      line: 'podfs run -f k8s/ --all cronjob/backup',
    },
    {
      comment: 'those with a label',
      line: "podfs run -f k8s/ -l 'tier in (front, back)'",
    },
    {
      comment: 'a kustomization, rendered anew when a file of it changes',
      line: 'podfs run -k overlays/dev',
    },
    {
      comment: 'a Helm chart, likewise',
      line: 'podfs run --helm charts/shop --values dev.yaml --all',
    },
    {
      comment: 'the same, rendered once',
      line: 'kubectl kustomize overlays/dev | podfs run -f -',
    },
    {
      comment: "in a network of its own, port 80 at this machine's 8080",
      line: 'podfs run -f pod.yaml --network pod --publish 8080:80',
    },
    {
      comment: 'which program of this machine an image stands for',
      line: "podfs run -f pod.yaml --image 'registry.example.com/shop/web=node server.js'",
    },
  ],
  options: {
    ...sourceOptions,
    pod: { value: 'NAME', repeatable: true, help: 'the same as NAME' },
    all: { help: 'every Pod of the input but those of CronJobs' },
    ...selectorOption,
    'no-recreate': {
      help: 'only tell of a change that would restart a Pod',
    },
    image: {
      value: "'PATTERN=COMMAND'",
      repeatable: true,
      help: 'what an image stands for on this machine',
    },
    ...networkOption,
    publish: {
      value: '[POD:][IP:]PORT:PORT[/udp]',
      repeatable: true,
      help: "a port of this machine that leads to one of the Pod's; with --network pod",
    },
    'host-root': {
      help: "give containers the host's file system as it is",
    },
    ...backendOption,
    ...verboseOption,
    ...commonOptions,
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const { input, choice, cronJobs } = whatToRun(options)
  requireOwnNamespace()
  const { startPods } = await import('../commands/run-session.ts')
  const shared = await sessionOptions(context, options, input)
  const publish = options.values('publish').map(parsePublished)
  if (publish.length > 0 && shared.settings.network === 'host')
    throw new Failure(
      'usage',
      "--publish: the Pod's ports are those of this machine with network host",
      { fix: 'podfs run --network pod --publish ...' },
    )
  const leaveNetwork = await enterNetwork('run', shared, text =>
    context.stderr.line(`podfs: ${text}`),
  )

  let signalled: NodeJS.Signals | undefined
  const signals = new EventEmitter<{ signal: [] }>()
  const stopListening = context.onSignal(signal => {
    signalled ??= signal
    signals.emit('signal')
  })
  const countdown = new Countdown(context)
  const session = await startPods({
    settings: shared.settings,
    places: shared.places,
    clock: shared.clock,
    logger: shared.logger,
    report: finding => countdown.around(() => shared.report(finding)),
    onMended: path => countdown.around(() => shared.onMended(path)),
    paths: shared.paths,
    renderings: shared.renderings,
    namespace: shared.namespace,
    identities: shared.identities,
    choice,
    cronJobs,
    images: options.values('image'),
    publish,
    recreate: !options.flag('no-recreate'),
    hostRoot: options.flag('host-root'),
    onOutput: (stream, lines) =>
      countdown.around(() => context[stream].raw(lines)),
    notice: text =>
      countdown.around(() => context.stderr.line(`podfs: ${text}`)),
  })
  countdown.around(() => shared.started(input))
  const terminate = (): void => {
    const seconds = session.terminationSeconds()
    session.terminate()
    countdown.start(seconds)
  }
  signals.on('signal', terminate)
  // A Ctrl-C during the start counts, too.
  if (signalled !== undefined) terminate()
  let outcomes
  try {
    outcomes = await session.finished
  } finally {
    countdown.stop()
    await session.close()
    leaveNetwork()
    stopListening()
  }
  if (signalled !== undefined) return exitCodeOfSignal(signalled)
  const { failureOf } = await import('../pods/pod-outcome.ts')
  const [first, ...further] = outcomes
    .map(failureOf)
    .filter(failure => failure !== undefined)
  if (first === undefined) return exitCodes.done
  throw new Failure('failed', first, { further })
}

function whatToRun(options: ParsedOptions): {
  readonly input: Input
  readonly choice: PodChoice
  readonly cronJobs: readonly string[]
} {
  refuseEmpty(options.positionals, 'PATH')
  // `-f *.yaml` reaches us as one -f and further paths.
  const isName = (word: string): boolean =>
    !/\.(ya?ml|json)$/.test(word) && parsePodReference(word) !== undefined
  const input = inputOf(
    options,
    options.positionals.filter(word => !isName(word)),
    'run',
  )
  if (isEmptyInput(input))
    throw new Failure('usage', 'no -f PATH was given', {
      fix: 'podfs run -f PATH [POD]',
    })
  return {
    input,
    ...choiceOf(options, options.positionals.filter(isName)),
  }
}

function choiceOf(
  options: ParsedOptions,
  positionals: readonly string[],
): { readonly choice: PodChoice; readonly cronJobs: readonly string[] } {
  const names = [...positionals, ...options.values('pod')]
  const text = options.value('selector')
  const all = options.flag('all')
  // kubectl's words.
  if (all && text !== undefined)
    throw new Failure(
      'usage',
      'cannot set --all and --selector at the same time',
    )
  if (!all && text === undefined)
    return {
      choice: names.length > 0 ? { kind: 'named', names } : { kind: 'only' },
      cronJobs: [],
    }
  const others = names.filter(
    name => parsePodReference(name)?.kind !== 'CronJob',
  )
  if (others.length > 0)
    throw new Failure(
      'usage',
      `${all ? '--all' : '--selector'} cannot be used when Pods are named: ${others.join(', ')}`,
    )
  return {
    choice: text === undefined ? { kind: 'all' } : selectedBy(text),
    cronJobs: names,
  }
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
    this.#context.stderr.line(
      `podfs: terminating, up to ${seconds} s; a second Ctrl-C kills at once`,
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
    this.#context.stderr.raw(
      `\r\u001b[Kpodfs: terminating, ${this.#left} s left; a second Ctrl-C kills at once`,
    )
  }

  #clear(): void {
    this.#context.stderr.raw('\r\u001b[K')
  }
}
