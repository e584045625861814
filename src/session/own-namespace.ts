import { readlinkSync } from 'node:fs'
import { userInfo } from 'node:os'
import path from 'node:path'
import { notedOutside, noteOutside, type Outside } from '../linux/outside.ts'
import { findOnHost } from '../linux/machine-tools.ts'
import { canKeepDescriptors, replaceProcess } from '../linux/replace-process.ts'
import type { Gateway } from '../runner/sandbox/network/network-provider.ts'
import { textOf } from '../util/text-of.ts'
import { Failure } from '../util/failure.ts'
import {
  beginSkeleton,
  enterScript,
  joinScript,
  leaveHelper,
} from './enter-scripts.ts'
import { placesOf } from './places.ts'
import { ensurePrivateDirectory } from './private-directory.ts'
import { listSessions } from './session-file.ts'
import {
  noteOwnNamespace,
  ownNamespace,
  type Lack,
  type OwnNamespace,
} from './user-namespace.ts'

/*
 * An ordinary user's containers run in a user and a mount namespace of the session's own, in
 * which podfs is root: it may mount and make namespaces there, and do nothing to the machine that
 * the user could not do. podfs enters them before it does anything else, by becoming
 *
 *   sh -> unshare -> sh -> node, the same command line
 *
 * so that it stays the process that was started, with its terminal and its parent.
 *
 * Root there is the user; further users and groups are those of the user's ranges in /etc/subuid
 * and /etc/subgid, in their order, from 1 on. Only newuidmap(1) and newgidmap(1), which are
 * set-user-ID programs, may give them to a namespace, from outside of it: an orphan does so, when
 * it hears that the namespace is there.
 *
 * The directories that the first container of a `podfs run` waits for (host-skeleton.ts) are made
 * while Node starts again, which leaves all processors but one to others: by another orphan. They
 * are on a tmpfs of the mount namespace, so they go with it.
 */

/**
 * How the program says to itself, behind its own start, what has become of it: a line of its own
 * words, and one of what a program has said that failed.
 */
const variable = 'PODFS_NAMESPACE'

/** What has to be known for the decision. */
export interface Account {
  readonly uid: number
  readonly gid: number
  readonly name: string
  /** /etc/subuid and /etc/subgid (subuid(5)); undefined: there is none. */
  readonly subuid: string | undefined
  readonly subgid: string | undefined
  /** newuidmap and newgidmap are there. */
  readonly canMap: boolean
}

/** The triples that newuidmap(1) and newgidmap(1) take; or why there is to be one id. */
export interface Mapping {
  readonly uids?: readonly number[]
  readonly gids?: readonly number[]
  readonly lack?: Lack
}

/** Pure. */
export function mappingFor(account: Account): Mapping {
  const { uid, gid, name } = account
  if (!account.canMap)
    return {
      lack: {
        why: 'newuidmap and newgidmap are not installed',
        fix: 'sudo apt-get install uidmap',
      },
    }
  const uids = rangesOf(account.subuid ?? '', [name, String(uid)])
  const gids = rangesOf(account.subgid ?? '', [name, String(uid)])
  const files = [
    ...(uids.length === 0 ? ['/etc/subuid'] : []),
    ...(gids.length === 0 ? ['/etc/subgid'] : []),
  ]
  if (files.length > 0)
    return {
      lack: {
        why: `${name} has no range in ${files.join(' and ')}`,
        fix: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${name}`,
      },
    }
  return { uids: mapped(uid, uids), gids: mapped(gid, gids) }
}

interface SubordinateRange {
  readonly start: number
  readonly count: number
}

/** Lines NAME:START:COUNT. */
function rangesOf(text: string, names: readonly string[]): SubordinateRange[] {
  return text.split('\n').flatMap(line => {
    const [name = '', start, count] = line.trim().split(':')
    const range = { start: Number(start), count: Number(count) }
    return names.includes(name) && range.count > 0 && range.start > 0
      ? [range]
      : []
  })
}

function mapped(
  own: number,
  ranges: readonly SubordinateRange[],
): readonly number[] {
  let inside = 1
  return [
    0,
    own,
    1,
    ...ranges.flatMap(({ start, count }) => {
      const triple = [inside, start, count]
      inside += count
      return triple
    }),
  ]
}

/** Why there can be no user namespace, where a file tells. */
function refusedBy(): Lack | undefined {
  const switches = [
    { name: 'user.max_user_namespaces', allow: 10_000 },
    // Debian's own.
    { name: 'kernel.unprivileged_userns_clone', allow: 1 },
  ]
  for (const { name, allow } of switches)
    if (textOf(`/proc/sys/${name.replaceAll('.', '/')}`)?.trim() === '0')
      return {
        why: `user namespaces are forbidden (${name})`,
        fix: `sudo sysctl -w ${name}=${allow}`,
      }
  return undefined
}

/** What the kernel refuses for a reason that no file tells. */
function refusedWith(said: string): Lack {
  const name = 'kernel.apparmor_restrict_unprivileged_userns'
  return textOf(`/proc/sys/${name.replaceAll('.', '/')}`)?.trim() === '1'
    ? {
        why: `AppArmor forbids user namespaces (${said})`,
        fix: `sudo sysctl -w ${name}=0`,
      }
    : {
        why: said,
        fix: 'sudo podfs run ...; in a container: --security-opt seccomp=unconfined',
      }
}

/** Only what starts containers needs it. */
const commands = ['run', 'serve']

/** Where the `podfs serve` of this process's arguments has its tree; undefined: that is a mistake. */
export type RootOfServe = () => Promise<string | undefined>

let failure: Failure | undefined

/** Throws a platform Failure for an ordinary user who is not in there. */
export function requireOwnNamespace(): void {
  if (ownNamespace() !== undefined || process.getuid?.() === 0) return
  if (failure !== undefined) throw failure
  throw failureOf({
    why: 'podfs has not been started as a program',
    fix: 'podfs run ...',
  })
}

function failureOf({ why, fix }: Lack): Failure {
  return new Failure(
    'platform',
    `an ordinary user's containers need a user namespace: ${why}`,
    { fix },
  )
}

/**
 * Enters the namespaces, and starts this program again there, when its command needs them and it
 * is not in there. Comes back otherwise, and where that cannot be; `requireOwnNamespace` says why.
 */
export async function enterOwnNamespace(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  rootOfServe: RootOfServe,
): Promise<void> {
  const said = env[variable]
  delete env[variable]
  try {
    if (said !== undefined) noteEntered(said)
    else if (process.getuid?.() !== 0 && commands.includes(argv[2] ?? ''))
      await becomeRootOfOwn(argv, env, rootOfServe)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    failure = error
  }
}

function noteEntered(text: string): void {
  const [word, state = '{}', said] = text.split('\n')
  if (word !== 'entered') throw failureOf(refusedWith(said ?? ''))
  const { outside, ...namespace } = JSON.parse(state) as OwnNamespace & {
    outside?: Outside
  }
  if (outside !== undefined) noteOutside(outside)
  const fix = 'sudo apt-get install --reinstall uidmap'
  noteOwnNamespace(
    said === undefined ? namespace : { ...namespace, lack: { why: said, fix } },
  )
}

async function becomeRootOfOwn(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  rootOfServe: RootOfServe,
): Promise<void> {
  const refused = refusedBy()
  if (refused !== undefined) throw failureOf(refused)
  const unshare = findOnHost('unshare')
  if (unshare === undefined)
    throw failureOf({
      why: 'there is no unshare(1)',
      fix: 'sudo apt-get install util-linux',
    })
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  const { runtime } = placesOf(env, uid)
  ensurePrivateDirectory(runtime)
  const { lack, uids = [], gids = [] } = ownMapping()
  const again = [process.execPath, ...process.execArgv, ...argv.slice(1)]
  const isServe = argv[2] === 'serve'
  const over = listSessions(runtime).filter(({ running }) => !running)
  if (over.length > 0)
    await (await import('./clear-pods.ts')).endLeftProcesses(over)
  const fifo = path.join(runtime, `enter-${process.pid}`)
  const outside: Outside = { requests: 5, answers: 4, script: `${fifo}-script` }
  if (isServe)
    await joinServe(runtime, { uid, gid, outside }, again, rootOfServe)
  // Those of `serve` are for the process of each Pod to make.
  const skeleton =
    isServe || argv.includes('--host-root')
      ? undefined
      : { place: path.join(runtime, 'skeleton'), pipe: 8 }
  const script = enterScript(
    lack === undefined,
    skeleton && beginSkeleton(skeleton.place, fifo),
  )
  await replaceProcess([
    '/bin/sh',
    '-c',
    isServe ? leaveHelper + script : script,
    'podfs-enter',
    unshare,
    `${uid} ${gid}`,
    JSON.stringify({
      uid,
      gid,
      ...(lack && { lack }),
      ...(isServe && { outside }),
      ...(skeleton && { skeleton }),
    }),
    fifo,
    [findOnHost('newuidmap'), process.pid, ...uids].join(' '),
    [findOnHost('newgidmap'), process.pid, ...gids].join(' '),
    ...again,
  ])
}

/**
 * The mounts and Pods that one `podfs serve` leaves to the next are in its namespaces, so all of
 * a user's are in the same, but for those that have begun at the same moment. Comes back where
 * there is none.
 */
async function joinServe(
  runtime: string,
  user: Pick<OwnNamespace, 'uid' | 'gid'> & { readonly outside: Outside },
  again: readonly string[],
  rootOfServe: RootOfServe,
): Promise<void> {
  const nsenter = findOnHost('nsenter')
  const inside = await insideServe(runtime, rootOfServe)
  if (inside === undefined || nsenter === undefined) return
  const hasRange = (textOf(`/proc/${inside}/uid_map`) ?? '')
    .trim()
    .includes('\n')
  const { lack } = ownMapping()
  const state = { ...user, ...(!hasRange && lack && { lack }) }
  await replaceProcess([
    '/bin/sh',
    '-c',
    leaveHelper + joinScript,
    'podfs-enter',
    nsenter,
    String(inside),
    `${variable}=entered\n${JSON.stringify(state)}`,
    path.join(runtime, `enter-${process.pid}`),
    ...again,
  ])
}

/** A process in the namespaces that a `podfs serve` has, or has left. */
async function insideServe(
  runtime: string,
  rootOfServe: RootOfServe,
): Promise<number | undefined> {
  const [{ keeperOf }, { findShims }] = await Promise.all([
    import('../fuse/mount/keeper-of.ts'),
    import('./find-shims.ts'),
  ])
  const found: { pid: number; root: string | undefined }[] = []
  for (const session of listSessions(runtime)) {
    const { command, directory, mountDirectory = directory } = session
    if (command !== 'serve') continue
    // Who was killed with all that held the mount has left its Pods nevertheless.
    const pid =
      (await keeperOf(mountDirectory)) ??
      (await findShims(directory))[0]?.identity.pid
    if (pid !== undefined) found.push({ pid, root: session.mountpoint })
  }
  const [first] = found
  if (new Set(found.map(({ pid }) => namespaceOf(pid))).size < 2)
    return first?.pid
  const root = await rootOfServe()
  return (found.find(each => each.root === root) ?? first)?.pid
}

function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`)
  } catch {
    // It has just ended.
    return undefined
  }
}

/**
 * This program again, as `command` starts it, which knows of a gateway then. It does not come back.
 * Who is outside stays in reach, but without koffi.
 */
export async function restartInside(
  command: readonly string[],
  gateway: Gateway,
): Promise<never> {
  const outside = (await canKeepDescriptors()) ? notedOutside() : undefined
  const { skeleton, ...namespace } = ownNamespace() ?? {}
  // Its pipe ends here.
  const { isSkeletonMade } = await import('../runner/sandbox/host-skeleton.ts')
  const isMade = skeleton !== undefined && (await isSkeletonMade(skeleton))
  const state = {
    ...namespace,
    gateway,
    ...(outside && { outside }),
    ...(isMade && { skeleton: { place: skeleton.place } }),
  }
  return await replaceProcess(
    [
      ...command,
      '/usr/bin/env',
      `${variable}=entered\n${JSON.stringify(state)}`,
      process.execPath,
      ...process.execArgv,
      ...process.argv.slice(1),
    ],
    outside && [outside.requests, outside.answers],
  )
}

/** Of this user, on this machine. */
export function ownMapping(): Mapping {
  const uid = process.getuid?.() ?? 0
  return mappingFor({
    uid,
    gid: process.getgid?.() ?? 0,
    name: nameOf(uid),
    subuid: textOf('/etc/subuid'),
    subgid: textOf('/etc/subgid'),
    canMap: ['newuidmap', 'newgidmap'].every(
      name => findOnHost(name) !== undefined,
    ),
  })
}

/** For an account that the machine does not know the number. */
function nameOf(uid: number): string {
  try {
    return userInfo().username
  } catch {
    return String(uid)
  }
}
