import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Test } from 'tap'
import type {
  ContainerLaunch,
  ContainerMount,
  ContainerRights,
  ExitStatus,
  RunningContainer,
  RunningSandbox,
  SandboxConfig,
} from '../../src/runner/sandbox/container-runtime.ts'
import { needsNamespace } from '../helpers/capability.ts'
import { defaultCapabilities } from '../../src/linux/capabilities.ts'
import { mountsBelow } from '../../src/linux/mountinfo.ts'
import { unmountPath } from '../../src/linux/unmount-path.ts'
import { ownIdMaps } from '../../src/linux/user-namespace.ts'
import {
  createSandboxRuntime,
  type SandboxOptions,
  type SandboxRuntime,
} from '../../src/runner/sandbox/sandbox-runtime.ts'

/** For `skip`. */
export const needsRoot = needsNamespace()

/** In namespaces of an ordinary user's, of whose machine little is that user's: test/run.mjs. */
export const isNested = ownIdMaps() !== undefined

/** Where whoever runs this may make something below /var and /run. */
export const inVar = isNested ? '/var/tmp' : '/var/lib'
export const inRun = isNested
  ? (process.env['XDG_RUNTIME_DIR'] ?? '/run')
  : '/run'

/** For `skip` of what the kernel lets nobody do in a user namespace. */
export const needsMachinesRoot =
  isNested && 'for root only: makes device nodes, and opens disks'

export const hostPath = '/usr/sbin:/usr/bin:/sbin:/bin'

/** Those of a container whose manifest says nothing of them. */
export const defaultRights: ContainerRights = {
  privileged: false,
  capabilities: defaultCapabilities,
}

export const mayMount: ContainerRights = {
  privileged: false,
  capabilities: [...defaultCapabilities, 'SYS_ADMIN'],
}

/** A Pod's whose manifest says nothing of it. */
const podsOwn: SandboxConfig = {
  hostname: 'pod-1',
  ipc: 'pod',
  pid: 'container',
}

function makeLaunch(
  argv: readonly string[],
  more: Partial<ContainerLaunch> = {},
): ContainerLaunch {
  const env = new Map([['PATH', hostPath]])
  return {
    name: 'main',
    argv,
    env,
    mounts: [],
    busybox: false,
    rights: defaultRights,
    ...more,
  }
}

export function makeMount(
  source: string,
  mountPath: string,
  more: Partial<ContainerMount> = {},
): ContainerMount {
  return { source, mountPath, readOnly: false, recursive: false, ...more }
}

export interface Sandbox {
  readonly runtime: SandboxRuntime
  readonly sandbox: RunningSandbox
  /** On the host, seen by the containers too. */
  readonly directory: string
  readonly start: (
    argv: readonly string[],
    more?: Partial<ContainerLaunch>,
  ) => Promise<ReadContainer>
  /** A whole life. */
  readonly run: (
    argv: readonly string[],
    more?: Partial<ContainerLaunch>,
  ) => Promise<Life>
  readonly sh: (
    script: string,
    more?: Partial<ContainerLaunch>,
  ) => Promise<Life>
}

type Life = ExitStatus & { readonly output: string }

/** A runtime that is closed, with all its containers, at teardown. */
export async function makeSandbox(
  t: Test,
  options: Partial<SandboxOptions> = {},
  config: SandboxConfig = podsOwn,
): Promise<Sandbox> {
  const parent = await mkdtemp('/tmp/podfs-sandbox-')
  const runtime = createSandboxRuntime({
    scratchDirectory: join(parent, 'scratch'),
    appletsDirectory: join(parent, 'applets'),
    ownDirectories: [],
    hostDirectories: ['/*'],
    visible: [parent],
    ...options,
  })
  t.teardown(async () => {
    await runtime.close()
    // What is an ordinary user's goes with the namespaces of its podfs.
    if (isNested)
      for (const { mountpoint } of await mountsBelow(parent))
        await unmountPath(mountpoint, { lazy: true })
    // The copy of the machine's directories may still be under way.
    const retries = { maxRetries: 5, retryDelay: 100 }
    await rm(parent, { recursive: true, force: true, ...retries })
  })
  const sandbox = await runtime.createSandbox(config)
  const start: Sandbox['start'] = async (argv, more) =>
    new ReadContainer(await runtime.start(makeLaunch(argv, more)))
  const run: Sandbox['run'] = async (argv, more) => {
    const container = await start(argv, more)
    const status = await container.exited
    return { ...status, output: container.output }
  }
  return {
    runtime,
    sandbox,
    directory: parent,
    start,
    run,
    sh: (script, more) => run(['sh', '-c', script], more),
  }
}

/** A container whose output is read, and can be waited for. */
class ReadContainer {
  readonly container: RunningContainer
  output = ''
  #waiters: (() => void)[] = []

  constructor(container: RunningContainer) {
    this.container = container
    for (const stream of [container.stdout, container.stderr])
      this.#read(stream)
  }

  get pid(): number {
    return this.container.pid
  }

  get exited(): Promise<ExitStatus> {
    return this.container.exited
  }

  async says(text: string): Promise<void> {
    while (!this.output.includes(text))
      await new Promise<void>(resolve => this.#waiters.push(resolve))
  }

  #read(stream: Readable): void {
    stream.setEncoding('utf8').on('data', (text: string) => {
      this.output += text
      for (const waiter of this.#waiters.splice(0)) waiter()
    })
  }
}

/** Whether a process runs; a zombie, which waits for the machine's init, does not. */
export function isAlive(pid: number): boolean {
  const status = `/proc/${pid}/status`
  try {
    return (
      existsSync(status) && !/^State:\t[ZX]/m.test(readFileSync(status, 'utf8'))
    )
  } catch {
    return false
  }
}
