import {
  accessSync,
  constants,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { allCapabilities, type Capability } from './capabilities.ts'
import { ownIdMaps } from './user-namespace.ts'
import { textOf } from '../util/text-of.ts'

/** The programs of util-linux and coreutils that start and enter a container. */
const toolNames = ['setpriv', 'unshare', 'nsenter', 'env', 'sh'] as const
export type MachineTools = Readonly<
  Record<(typeof toolNames)[number], string>
> & {
  /** What podfs itself may hand on: its own bounding set. */
  readonly capabilities: readonly Capability[]
  /** podfs is root of a user namespace alone: much of /proc/sys and of mounting is not for it. */
  readonly isNested?: true
  /** Its groups stay as they are (user_namespaces(7), /proc/PID/setgroups). */
  readonly keepsGroups?: true
}

/** The setup script's own; whatever PATH podfs was started with. */
export const systemPath =
  '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Absolute paths, found once: a container's PATH must not decide what fences it.
 * Throws an Error that names what is missing.
 */
export function findMachineTools(): MachineTools {
  const found = Object.fromEntries(
    toolNames.map(name => [name, findOnHost(name)]),
  )
  const missing = toolNames.filter(name => found[name] === undefined)
  if (missing.length > 0)
    throw new Error(
      `podfs needs ${missing.join(', ')} (packages util-linux and coreutils) to run containers`,
    )
  return {
    ...found,
    capabilities: ownCapabilities(),
    ...(ownIdMaps() !== undefined && {
      isNested: true,
      ...(textOf('/proc/self/setgroups')?.trim() === 'deny' && {
        keepsGroups: true,
      }),
    }),
  } as MachineTools
}

function ownCapabilities(): readonly Capability[] {
  const status = readFileSync('/proc/self/status', 'utf8')
  const bits = BigInt(`0x${/^CapBnd:\s*(\w+)$/m.exec(status)?.[1] ?? '0'}`)
  return allCapabilities.filter((_, i) => ((bits >> BigInt(i)) & 1n) === 1n)
}

/** Who loads a filter of system calls. */
export type FilterLoader = 'setpriv' | { readonly perl: string }

/**
 * That of util-linux 2.40 does; else perl(1) can, which Debian and Ubuntu always have. Undefined:
 * neither is there.
 */
export async function findFilterLoader(
  setpriv: string,
): Promise<FilterLoader | undefined> {
  // Here: who only looks for a program, to become it, has no time for what starts others.
  const { execFile } = await import('node:child_process')
  const { stdout } = await promisify(execFile)(setpriv, ['--help'])
  if (stdout.includes('--seccomp-filter')) return 'setpriv'
  const perl = findOnHost('perl')
  return perl === undefined ? undefined : { perl }
}

/**
 * The command that sets the hostname of its namespace to what follows, as /proc/sys lets only root
 * of the machine do. Throws an Error that names what is missing.
 */
export function hostnameSetter(): readonly string[] {
  const hostname = findOnHost('hostname')
  if (hostname !== undefined) return [hostname]
  const busybox = findBusybox()
  if (busybox !== undefined) return [busybox, 'hostname']
  throw new Error('podfs needs hostname(1), or busybox, for an ordinary user')
}

/** The machine's busybox, if it has one. */
export function findBusybox(): string | undefined {
  return findOnHost('busybox')
}

/** Another program of this name than busybox. */
export function findBesideBusybox(name: string): string | undefined {
  const program = findOnHost(name)
  return program === undefined || basename(realpathSync(program)) === 'busybox'
    ? undefined
    : program
}

/** The system's directories first: podfs's own PATH may name whatever a user put there. */
export function findOnHost(name: string): string | undefined {
  return `${systemPath}:${process.env['PATH'] ?? ''}`
    .split(':')
    .filter(directory => directory.startsWith('/'))
    .map(directory => join(directory, name))
    .find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
