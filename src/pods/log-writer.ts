import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import type { Pod } from '../api/types.ts'
import type { OutputStream } from '../runner/lifecycle/output-lines.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'
import { cutLines } from '../server/container-log.ts'
import { logLink, podLogDirectory } from '../server/log-files.ts'
import { timestamp } from '../server/pod-log.ts'
import { textOf } from '../util/text-of.ts'

/** How logs are kept in files. */
export interface LogFileSettings {
  /** podfs's directory for what outlives it. */
  readonly root: string
  /** A file that has more than this is put aside. */
  readonly maxBytes: number
  /** Of one run, with those that were put aside; at least 2. */
  readonly maxFiles: number
  /** The session whose Pods' logs they are, as empty-dirs.ts names it. */
  readonly owner: string
}

/** Of one run of a container. */
interface RunLog {
  readonly file: string
  readonly pending: Map<OutputStream, Buffer>
  fd: number
  size: number
  /** How often a file was put aside. */
  rotations: number
}

/** Beside the one that runs, whose log `podfs logs -p` has. */
const keptRuns = 1

/**
 * Writes what the containers of a Pod print into files (server/log-files.ts). In one write each
 * and at once: a container that prints faster than the disk takes it waits, and nothing piles up.
 */
export class LogWriter {
  readonly #pod: Pod
  readonly #settings: LogFileSettings
  readonly #onError: (error: unknown) => void
  /** By containerID. */
  readonly #runs = new Map<string, RunLog>()
  #hasFailed = false

  /** `onError`: told once, until something could be written again. */
  constructor(
    pod: Pod,
    settings: LogFileSettings,
    onError: (error: unknown) => void,
  ) {
    this.#pod = pod
    this.#settings = settings
    this.#onError = onError
  }

  /** A run that has begun has a log, and an empty one when it prints nothing. */
  status({
    initContainerStatuses = [],
    containerStatuses,
    ephemeralContainerStatuses = [],
  }: PodStatus): void {
    for (const { name, containerID, restartCount, state } of [
      ...initContainerStatuses,
      ...containerStatuses,
      ...ephemeralContainerStatuses,
    ])
      if (containerID !== undefined && state.running !== undefined)
        if (!this.#runs.has(containerID))
          this.#try(() => this.#begin(name, containerID, restartCount))
  }

  write(
    containerID: string,
    stream: OutputStream,
    chunk: Buffer,
    time: number,
  ): void {
    const run = this.#runs.get(containerID)
    if (run === undefined) return
    const lines: Buffer[] = []
    const rest = cutLines(run.pending.get(stream), chunk, (text, isPartial) => {
      lines.push(formatLogLine(time, stream, { text, isPartial }))
    })
    run.pending.set(stream, rest)
    if (lines.length > 0) this.#append(run, lines)
  }

  /** A last line without a newline becomes one. */
  end(containerID: string, time: number): void {
    const run = this.#runs.get(containerID)
    if (run === undefined) return
    const lines = [...run.pending].flatMap(([stream, text]) =>
      text.length === 0
        ? []
        : [formatLogLine(time, stream, { text, isPartial: false })],
    )
    if (lines.length > 0) this.#append(run, lines)
    closeSync(run.fd)
    this.#runs.delete(containerID)
  }

  #begin(container: string, containerID: string, restartCount: number): void {
    const { root, owner } = this.#settings
    const directory = path.join(podLogDirectory(root, this.#pod), container)
    const file = path.join(directory, `${restartCount}.log`)
    const link = logLink(root, this.#pod, container, containerID)
    for (const each of [directory, path.dirname(link)])
      mkdirSync(each, { recursive: true, mode: 0o700 })
    writeFileSync(ownerFile(path.dirname(directory)), owner, { mode: 0o600 })
    const fd = openSync(file, 'a', 0o600)
    this.#runs.set(containerID, {
      file,
      fd,
      size: fstatSync(fd).size,
      rotations: 0,
      pending: new Map(),
    })
    removeLink(link)
    symlinkSync(file, link)
    this.#removeRuns(directory, restartCount - keptRuns)
  }

  /** A kubelet keeps one dead container of each (MaxPerPodContainerCount), and its log. */
  #removeRuns(directory: string, before: number): void {
    for (const name of readdirSync(directory))
      if (Number(/^(\d+)\.log/.exec(name)?.[1]) < before)
        rmSync(path.join(directory, name), { force: true })
    removeLinksTo(this.#settings.root, file => !exists(file))
  }

  #append(run: RunLog, lines: readonly Buffer[]): void {
    this.#try(() => {
      // In pieces of what a file may have: one write may be of many lines.
      let some: Buffer[] = []
      let size = 0
      const flush = (): void => {
        if (size === 0) return
        if (run.size > 0 && run.size + size > this.#settings.maxBytes)
          this.#rotate(run)
        const bytes = Buffer.concat(some)
        for (let at = 0; at < bytes.length;) at += writeSync(run.fd, bytes, at)
        run.size += size
        some = []
        size = 0
      }
      for (const line of lines) {
        if (size + line.length > this.#settings.maxBytes) flush()
        some.push(line)
        size += line.length
      }
      flush()
    })
  }

  #rotate(run: RunLog): void {
    const directory = path.dirname(run.file)
    const name = path.basename(run.file)
    const aside = readdirSync(directory)
      .filter(each => each.startsWith(`${name}.`))
      .sort()
    // As a kubelet's (pkg/kubelet/logs/container_log_manager.go), and several in a second.
    const second = new Date()
      .toISOString()
      .replaceAll(/[-:]|\..*/g, '')
      .replace('T', '-')
    const number = String((run.rotations += 1)).padStart(6, '0')
    renameSync(run.file, `${run.file}.${second}-${number}`)
    closeSync(run.fd)
    run.fd = openSync(run.file, 'a', 0o600)
    run.size = 0
    const surplus = aside.length + 2 - this.#settings.maxFiles
    for (const each of aside.slice(0, Math.max(surplus, 0)))
      rmSync(path.join(directory, each), { force: true })
  }

  /** A full disk ends no Pod; what cannot be written is lost. */
  #try(write: () => void): void {
    try {
      write()
      this.#hasFailed = false
    } catch (error) {
      if (!this.#hasFailed) this.#onError(error)
      this.#hasFailed = true
    }
  }
}

function formatLogLine(
  time: number,
  stream: OutputStream,
  { text, isPartial }: { readonly text: Buffer; readonly isPartial: boolean },
): Buffer {
  const head = `${timestamp(time)} ${stream} ${isPartial ? 'P' : 'F'} `
  return Buffer.concat([Buffer.from(head), text, Buffer.from('\n')])
}

/** The Pod has gone, and its logs go with it, as a kubelet does it. */
export function removeLogs(root: string, pod: Pod): void {
  removeDirectory(root, podLogDirectory(root, pod))
}

/** What sessions have left that were killed. */
export function removeDeadLogs(
  root: string,
  isDead: (owner: string) => boolean,
): void {
  const all = path.join(root, 'pods')
  for (const name of namesIn(all)) {
    const directory = path.join(all, name)
    const owner = textOf(ownerFile(directory))
    if (owner !== undefined && isDead(owner)) removeDirectory(root, directory)
  }
}

/** In the directory of a Pod's logs: whose they are. */
function ownerFile(directory: string): string {
  return path.join(directory, '.session')
}

function removeDirectory(root: string, directory: string): void {
  removeLinksTo(root, file => file.startsWith(`${directory}/`))
  rmSync(directory, { recursive: true, force: true })
}

function removeLinksTo(root: string, isGone: (file: string) => boolean): void {
  const directory = path.join(root, 'containers')
  for (const name of namesIn(directory)) {
    const link = path.join(directory, name)
    const file = targetOf(link)
    if (file !== undefined && isGone(file)) removeLink(link)
  }
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    // Another podfs has just removed it.
    return undefined
  }
}

function removeLink(link: string): void {
  rmSync(link, { force: true })
}

function exists(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
