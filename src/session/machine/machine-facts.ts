import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants, open, readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { release } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { Script } from 'node:vm'
import { entryPoint } from '../../fuse/mount/entry-points.ts'
import {
  findCgroupSupport,
  type CgroupSupport,
} from '../../linux/cgroup-support.ts'
import { keeperOf } from '../../fuse/mount/keeper-of.ts'
import { mountsBelow, podfsMounts } from '../../linux/mountinfo.ts'
import {
  findFilterLoader,
  findBusybox,
  findOnHost,
} from '../../linux/machine-tools.ts'
import { isFilteredArch } from '../../runner/sandbox/seccomp/syscall-numbers.ts'
import { machineLacks } from '../../runner/sandbox/sandbox-runtime.ts'
import { findPasta, missingForNetworks } from '../pod-network-provider.ts'
import type { Places } from '../places.ts'
import { listSessions, type FoundSession } from '../session-file.ts'
import { ownMapping } from '../own-namespace.ts'
import {
  isInUserNamespace,
  ownNamespace,
  type Lack,
} from '../user-namespace.ts'
import { errorCode } from '../../util/error-code.ts'

/** What podfs uses of a machine, as it is found there; nothing is judged yet. */
export interface MachineFacts {
  readonly uid: number
  /** Its root is not root of the machine, and podfs has not made it. */
  readonly inUserNamespace: boolean
  /** CAP_SYS_ADMIN is effective. */
  readonly mayMount: boolean
  readonly nodeVersion: string
  readonly codeCache: CodeCache
  readonly kernelRelease: string
  readonly fuseDevice: FuseDevice
  /** Programs of util-linux and coreutils that are not there. */
  readonly missingPrograms: readonly string[]
  /** The machine can hold back system calls, in the way that podfs asks for. */
  readonly filtersSyscalls: boolean
  readonly fusermount3: string | undefined
  readonly fuseOverlayfs: string | undefined
  /** /etc/fuse.conf has the line. */
  readonly userAllowOther: boolean
  readonly userNamespaces: UserNamespaces
  /** Why a user namespace of this user's would have one id; undefined: it has more. */
  readonly idsLack: Lack | undefined
  readonly overlay: boolean
  readonly cgroups: CgroupSupport
  /** /proc/sys/fs/inotify; undefined where it cannot be read. */
  readonly inotify: {
    readonly maxUserWatches: number | undefined
    readonly maxUserInstances: number | undefined
  }
  readonly busybox: string | undefined
  /** What its applets, and no other program, should be able to do: `nc -z`. */
  readonly busyboxLacks: readonly string[]
  /** Those of kubectl, kustomize and helm that are there. */
  readonly renderers: readonly string[]
  /** What a network of a Pod's own needs and is not there: a CNI plugin, a program. */
  readonly missingForNetworks: readonly string[]
  /** pasta, which can do so, too. */
  readonly pasta: string | undefined
  /** Mount points that nobody serves, deepest first. */
  readonly staleMounts: readonly string[]
  /** Why an address of 127.0.0.0/8 cannot be listened on; undefined: it can. */
  readonly loopbackError: string | undefined
  /** The lowest port that an ordinary user may listen on. */
  readonly unprivilegedPortStart: number | undefined
}

export interface FuseDevice {
  /** The permission bits; undefined: there is no such device. */
  readonly mode: number | undefined
  /** Why it cannot be opened; undefined: it can. */
  readonly openError: string | undefined
}

/** The code that V8 made of the program when it was built or installed. */
export interface CodeCache {
  /** This V8 takes it. */
  readonly taken: boolean
  /** The program that makes it; undefined where `npm run install:system` does. */
  readonly maker: string | undefined
}

export interface UserNamespaces {
  readonly max: number | undefined
  /** The name of a switch of the kernel or the distribution that forbids them. */
  readonly forbiddenBy: string | undefined
  /** What unshare(1) says when this user tries to make one; undefined: it is made. */
  readonly refusal: string | undefined
}

const programs = [
  'mount',
  'umount',
  'setpriv',
  'unshare',
  'nsenter',
  'flock',
  'env',
  'sh',
  // What the keepers' scripts use.
  'mkfifo',
  'rmdir',
  'sed',
  'sleep',
  'stat',
] as const

async function succeeds(
  program: string,
  ...args: readonly string[]
): Promise<boolean> {
  const file = findOnHost(program)
  // That is missing, and told of as such.
  if (file === undefined) return true
  return await promisify(execFile)(file, args).then(
    () => true,
    () => false,
  )
}

async function canFilter(): Promise<boolean> {
  const setpriv = findOnHost('setpriv')
  if (setpriv === undefined || !isFilteredArch(process.arch)) return false
  const loader = await findFilterLoader(setpriv).catch(() => undefined)
  return loader !== undefined
}

/** Looks at this machine. Changes nothing. */
export async function readMachineFacts(
  places: Places,
  /** Where CNI plugins are looked for. */
  cniBinDirs: readonly string[] = [],
): Promise<MachineFacts> {
  const sysctl = (name: string): number | undefined =>
    numberIn(`/proc/sys/${name}`)
  const [
    fuseDevice,
    refusal,
    fuseConf,
    fileSystems,
    staleMounts,
    loopbackError,
    lacks,
    hasEnvSplit,
    filtersSyscalls,
  ] = await Promise.all([
    readFuseDevice(),
    tryUserNamespace(),
    textOf('/etc/fuse.conf'),
    textOf('/proc/filesystems'),
    findStaleMounts(places),
    tryLoopback(),
    machineLacks(),
    succeeds('env', '-S', 'true'),
    canFilter(),
  ])
  return {
    uid: ownNamespace()?.uid ?? process.getuid?.() ?? 0,
    inUserNamespace: isInUserNamespace(),
    mayMount: mayMount((await textOf('/proc/self/status')) ?? ''),
    nodeVersion: process.versions.node,
    codeCache: readCodeCache(),
    kernelRelease: release(),
    fuseDevice,
    missingPrograms: [
      ...programs.filter(name => findOnHost(name) === undefined),
      ...(hasEnvSplit ? [] : ['env -S of GNU coreutils']),
    ],
    filtersSyscalls,
    fusermount3: findOnHost('fusermount3'),
    fuseOverlayfs: findOnHost('fuse-overlayfs'),
    userAllowOther: userAllowOther(fuseConf ?? ''),
    userNamespaces: {
      max: sysctl('user/max_user_namespaces'),
      forbiddenBy: [
        // Debian's and Ubuntu's own switches; absent elsewhere.
        { name: 'kernel.unprivileged_userns_clone', forbids: 0 },
        { name: 'kernel.apparmor_restrict_unprivileged_userns', forbids: 1 },
      ].find(
        ({ name, forbids }) => sysctl(name.replaceAll('.', '/')) === forbids,
      )?.name,
      refusal,
    },
    idsLack: ownMapping().lack,
    overlay: /\boverlay$/m.test(fileSystems ?? ''),
    cgroups: findCgroupSupport(),
    inotify: {
      maxUserWatches: sysctl('fs/inotify/max_user_watches'),
      maxUserInstances: sysctl('fs/inotify/max_user_instances'),
    },
    busybox: findBusybox(),
    busyboxLacks: lacks.map(({ use }) => use),
    renderers: ['kubectl', 'kustomize', 'helm'].filter(
      name => findOnHost(name) !== undefined,
    ),
    missingForNetworks: missingForNetworks(cniBinDirs),
    pasta: findPasta(),
    staleMounts,
    loopbackError,
    unprivilegedPortStart: sysctl('net/ipv4/ip_unprivileged_port_start'),
  }
}

/** As fusermount3 reads fuse.conf: a comment may follow, a last line without a newline is none. */
export function userAllowOther(fuseConf: string): boolean {
  return /^\s*user_allow_other\s*(#.*)?\n/m.test(fuseConf)
}

function readCodeCache(): CodeCache {
  // Not of this program: what V8 has compiled already it takes from no cache.
  const filename = entryPoint('fuse-server.bundle.cjs')
  const maker = path.resolve(filename, '../../src/loader/code-cache.mjs')
  return {
    taken: isTaken(filename),
    maker: existsSync(maker) ? maker : undefined,
  }
}

function isTaken(filename: string): boolean {
  try {
    const cachedData = readFileSync(`${filename}.cache`)
    const source = readFileSync(filename, 'latin1')
    return !new Script(source, { filename, cachedData }).cachedDataRejected
  } catch {
    return false
  }
}

/** capabilities(7). */
const capSysAdmin = 21n

function mayMount(status: string): boolean {
  const [, effective] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? []
  // Where nothing tells, mount(8) will.
  if (effective === undefined) return true
  return ((BigInt(`0x${effective}`) >> capSysAdmin) & 1n) === 1n
}

async function readFuseDevice(): Promise<FuseDevice> {
  try {
    const found = await stat('/dev/fuse')
    if (!found.isCharacterDevice())
      return { mode: undefined, openError: 'not a device' }
    const mode = found.mode & 0o777
    return { mode, openError: await openError('/dev/fuse') }
  } catch (error) {
    return { mode: undefined, openError: codeOf(error) }
  }
}

/** Opening alone connects nothing. */
async function openError(device: string): Promise<string | undefined> {
  try {
    await (await open(device, constants.O_RDWR)).close()
    return undefined
  } catch (error) {
    return codeOf(error)
  }
}

async function tryUserNamespace(): Promise<string | undefined> {
  const unshare = findOnHost('unshare')
  // That is missing, and told of as such.
  if (unshare === undefined) return undefined
  const args = ['--user', '--map-root-user', '--mount', '--', 'true']
  return await promisify(execFile)(unshare, args).then(
    () => undefined,
    ({ stderr, message }: { stderr?: string; message: string }) =>
      (stderr ?? message).trim(),
  )
}

/** Mount points whose podfs is gone and whose keeper does not serve on. */
async function findStaleMounts(places: Places): Promise<string[]> {
  const stale: string[] = []
  for (const session of sessionsIn(places.runtime)) {
    if (session.running) continue
    const kept = await keeperOf(session.mountDirectory ?? session.directory)
    if (kept !== undefined) continue
    const { mountpoint, directory } = session
    const mounts = await podfsMounts()
    if (mounts.some(mount => mount.mountpoint === mountpoint))
      stale.push(mountpoint as string)
    else if ((await mountsBelow(directory)).length > 0) stale.push(directory)
  }
  return stale
}

/** Of a directory that is somebody else's there is more to say, where it is to be used. */
function sessionsIn(runtime: string): readonly FoundSession[] {
  try {
    return listSessions(runtime)
  } catch {
    return []
  }
}

/** A Pod's address is one of these. */
async function tryLoopback(): Promise<string | undefined> {
  const server = createServer()
  return await new Promise(resolve => {
    server.on('error', error => resolve(codeOf(error)))
    server.listen({ host: '127.83.0.1', port: 0 }, () =>
      server.close(() => resolve(undefined)),
    )
  })
}

async function textOf(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch(() => undefined)
}

function numberIn(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

function codeOf(error: unknown): string {
  return errorCode(error) ?? String(error)
}
