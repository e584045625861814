import type { ChildProcess, ChildProcessByStdio } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { Clock } from '../../util/clock.ts'
import { CappedOutput } from './capped-output.ts'
import type {
  ExecResult,
  ExitStatus,
  SandboxConfig,
} from './container-runtime.ts'
import { drained } from './drained.ts'
import { toExitStatus } from './exit-status.ts'
import { whyNotExecutable } from './find-program.ts'
import { execCommand, type Launch } from './launch-command.ts'
import type { MachineTools } from '../../linux/machine-tools.ts'
import { sendSignal } from '../../linux/send-signal.ts'
import { spawnCommand } from './spawn-command.ts'

/** What the kubelet keeps of a handler's output. */
const maxOutputBytes = 10 * 1024

/**
 * How long output is awaited after the command has ended: a process that it left in the
 * background may hold the pipes open for ever.
 */
const drainMs = 100

/**
 * Runs a command in the namespaces of a container. A command that is not there gives exit
 * code 127 (126 when it cannot be executed) and the reason as output, as a shell would.
 */
export async function execInContainer(options: {
  readonly tools: MachineTools
  readonly clock: Clock
  /** The container's first process. */
  readonly pid: number
  readonly config: SandboxConfig
  readonly launch: Launch
  readonly abort: AbortSignal
}): Promise<ExecResult> {
  const { tools, clock, pid, config, launch, abort } = options
  if (abort.aborted) return { ...toExitStatus(null, 'SIGKILL'), output: '' }
  const why = whyNotExecutable(`/proc/${pid}/root`, launch)
  if (why !== undefined)
    return {
      exitCode: why.includes('not found') ? 127 : 126,
      output: why,
      notStarted: true,
    }
  let child: ChildProcessByStdio<null, Readable, Readable>
  try {
    const command = execCommand(tools, pid, config, launch)
    child = spawnCommand(command, launch, {
      stdio: ['ignore', 'pipe', 'pipe'],
      files: [launch.filter?.file],
    }) as ChildProcessByStdio<null, Readable, Readable>
  } catch (error) {
    return {
      exitCode: 126,
      output: (error as Error).message,
      notStarted: true,
    }
  }
  const output = new CappedOutput(maxOutputBytes)
  child.stdout.on('data', (chunk: Buffer) => output.add(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.add(chunk))
  const kill = (): void => killGroup(child)
  abort.addEventListener('abort', kill, { once: true })
  try {
    const status = await ended(child)
    await drained([child.stdout, child.stderr], clock, drainMs)
    return { ...status, output: output.toString() }
  } finally {
    abort.removeEventListener('abort', kill)
    child.stdout.destroy()
    child.stderr.destroy()
  }
}

function ended(child: ChildProcess): Promise<ExitStatus> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(toExitStatus(code, signal)))
  })
}

function killGroup(child: ChildProcess): void {
  if (
    child.pid === undefined ||
    child.exitCode !== null ||
    child.signalCode !== null
  )
    return
  sendSignal(-child.pid, 'SIGKILL')
}
