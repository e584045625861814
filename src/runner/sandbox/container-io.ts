import { closeSync } from 'node:fs'
import { Readable, type Writable } from 'node:stream'
import type { MachineTools } from '../../linux/machine-tools.ts'
import { openPseudoTerminal } from '../../linux/pseudo-terminal.ts'
import type { TerminalSize } from '../../streams/container-streams.ts'
import type { ContainerSetup } from './container-setup.ts'
import { findSetsid, ownTerminal } from './exec-streams.ts'
import { openInputPipe } from './input-pipe.ts'
import type { Launch } from './launch-command.ts'
import { MonitorStderr } from './monitor-stderr.ts'
import { openOutputPipe } from './output-pipe.ts'

/** The standard streams of a container's first process, both ends. */
export interface ContainerIo {
  readonly stdio: readonly ['ignore' | number, number, number]
  /** See startCommand. */
  readonly setsid?: string
  readonly stdout: Readable
  readonly stderr: Readable
  /** That of the two on which the programs of the chain speak. */
  readonly monitored: MonitorStderr
  readonly stdin?: Writable
  resize(size: TerminalSize): void
  /** The child has them, or will never have them. */
  closeChildEnds(): void
}

interface IoOptions {
  readonly tools: MachineTools
  readonly setup: ContainerSetup
  readonly launch: Launch
  readonly hasStdin: boolean
}

export async function openOnPipes({
  tools,
  setup,
  launch,
  hasStdin,
}: IoOptions): Promise<ContainerIo> {
  const { user } = launch
  const input = hasStdin ? await openInputPipe(tools, user) : undefined
  const stdout = openOutputPipe(setup.stdoutFifo, user)
  const stderr = openOutputPipe(setup.stderrFifo, user)
  const childEnds = [stdout.writeEnd, stderr.writeEnd] as const
  const monitored = stderr.readable.pipe(new MonitorStderr())
  return {
    stdio: [input?.readEnd ?? 'ignore', ...childEnds],
    stdout: stdout.readable,
    stderr: monitored,
    monitored,
    ...(input ? { stdin: input.writable } : {}),
    resize: () => undefined,
    closeChildEnds: () => {
      for (const end of childEnds) closeSync(end)
      if (input !== undefined) closeSync(input.readEnd)
    },
  }
}

export async function openOnTerminal({
  setup,
  launch,
  hasStdin,
}: IoOptions): Promise<ContainerIo> {
  const setsid = findSetsid()
  const { slave, master, resize } = await openPseudoTerminal(
    `/proc/${setup.pid}/root`,
  )
  ownTerminal(slave, launch)
  const monitored = new MonitorStderr('\r\n')
  master.pipe(monitored, { end: false })
  // Its end is EIO: no process has it any more.
  master.on('error', () => undefined)
  master.once('close', () => monitored.end())
  return {
    stdio: [slave, slave, slave],
    setsid,
    stdout: monitored,
    stderr: Readable.from([]),
    monitored,
    ...(hasStdin ? { stdin: master } : {}),
    resize,
    closeChildEnds: () => closeSync(slave),
  }
}
