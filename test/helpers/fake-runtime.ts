import { PassThrough } from 'node:stream'

import {
  ContainerStartError,
  type ContainerLaunch,
  type ContainerRuntime,
  type ExecResult,
  type ExitStatus,
  type RunningContainer,
  type RunningSandbox,
  type SandboxConfig,
} from '../../src/runner/sandbox/container-runtime.ts'
import { deferred } from '../../src/util/deferred.ts'

export interface FakeBehaviour {
  /** What SIGTERM does; the default ends it with 143, `ignore` leaves it running. */
  readonly onTerm?: number | 'ignore'
  /** Hooks; the default succeeds at once. */
  readonly exec?: (
    argv: readonly string[],
    abort: AbortSignal,
  ) => Promise<ExecResult>
  /** The run-time cannot start it, with this message. */
  readonly startError?: string
}

/** Containers that do nothing until a test ends them; everything is written to a journal. */
export class FakeRuntime implements ContainerRuntime {
  /** `start NAME`, `SIGTERM NAME`, `exec NAME ARGV`, `exit NAME CODE`, `close`. */
  readonly journal: string[] = []
  readonly launches: ContainerLaunch[] = []
  /** The containers of each `prepare`. */
  readonly prepared: string[] = []
  readonly running = new Map<string, FakeContainer>()
  readonly sandboxes: {
    readonly config: SandboxConfig
    readonly lose: () => void
  }[] = []
  /** No sandbox can be made, for this reason. */
  sandboxError: string | undefined
  readonly #behaviours: Readonly<Record<string, FakeBehaviour>>

  constructor(behaviours: Readonly<Record<string, FakeBehaviour>> = {}) {
    this.#behaviours = behaviours
  }

  async createSandbox(config: SandboxConfig): Promise<RunningSandbox> {
    if (this.sandboxError !== undefined) throw new Error(this.sandboxError)
    const { promise: ended, resolve } = deferred<void>()
    this.sandboxes.push({ config, lose: resolve })
    return { ended }
  }

  async prepare({ name }: ContainerLaunch): Promise<void> {
    this.prepared.push(name)
  }

  async start(launch: ContainerLaunch): Promise<RunningContainer> {
    const behaviour = this.#behaviours[launch.name] ?? {}
    this.launches.push(launch)
    this.journal.push(`start ${launch.name}`)
    if (behaviour.startError !== undefined) {
      throw new ContainerStartError(launch.name, behaviour.startError)
    }
    const container = new FakeContainer(launch.name, behaviour, this.journal)
    this.running.set(launch.name, container)
    void container.exited.then(() => this.running.delete(launch.name))
    return container
  }

  async close(): Promise<void> {
    this.journal.push('close')
  }

  /** The container's program ends by itself. */
  exit(name: string, exitCode: number): void {
    const container = this.running.get(name)
    if (container === undefined) throw new Error(`${name} does not run`)
    container.exit({ exitCode })
  }
}

class FakeContainer implements RunningContainer {
  readonly pid = 1
  readonly stdout = new PassThrough()
  readonly stderr = new PassThrough()
  readonly exited: Promise<ExitStatus>
  readonly #name: string
  readonly #behaviour: FakeBehaviour
  readonly #journal: string[]
  #resolve: (status: ExitStatus) => void = () => undefined
  #hasExited = false

  constructor(name: string, behaviour: FakeBehaviour, journal: string[]) {
    this.#name = name
    this.#behaviour = behaviour
    this.#journal = journal
    this.exited = new Promise(resolve => (this.#resolve = resolve))
  }

  signal(signal: NodeJS.Signals | number): void {
    if (this.#hasExited) return
    this.#journal.push(`${signal} ${this.#name}`)
    const { onTerm = 143 } = this.#behaviour
    if (signal === 'SIGKILL') this.exit({ exitCode: 137, signal })
    else if (onTerm !== 'ignore') this.exit({ exitCode: onTerm })
  }

  async exec(argv: readonly string[], abort: AbortSignal): Promise<ExecResult> {
    this.#journal.push(`exec ${this.#name} ${argv.join(' ')}`)
    const { exec } = this.#behaviour
    return exec === undefined
      ? { exitCode: 0, output: '' }
      : await exec(argv, abort)
  }

  open(): Promise<never> {
    return Promise.reject(new Error('it has no streams'))
  }

  exit(status: ExitStatus): void {
    if (this.#hasExited) return
    this.#hasExited = true
    this.#journal.push(`exit ${this.#name} ${status.exitCode}`)
    this.stdout.end()
    this.stderr.end()
    this.#resolve(status)
  }
}

/** For `exec`: a hook that runs until it is abandoned. */
export function endlessHook(
  _argv: readonly string[],
  abort: AbortSignal,
): Promise<ExecResult> {
  return new Promise(resolve => {
    const end = () => resolve({ exitCode: 137, output: '' })
    if (abort.aborted) end()
    else abort.addEventListener('abort', end, { once: true })
  })
}

/** Promises and I/O callbacks that are due have run. */
export async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    await new Promise<void>(resolve => {
      setImmediate(resolve)
    })
  }
}
