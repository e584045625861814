import { join } from 'node:path'
import { formatFstab, type FstabEntry } from './fstab.ts'
import { setupDevice } from './fuse-overlay.ts'
import type { ReadOnlyPlace, RootPlan } from './planned-root.ts'
import { layersPlace, oldRoot } from './root-template.ts'
import { shellQuote } from './shell-quote.ts'

export interface SetupScriptOptions {
  readonly plan: RootPlan
  readonly world: string
  /** See root-template.ts. */
  readonly template: string
  /** The plan's fstab, as a file. */
  readonly fstabFile: string
  /** Made for the container's output. */
  readonly fifos: readonly string[]
  /** The container may mount and unmount: what is here now is to stay as it is. */
  readonly locked: boolean
  /** What the root's file system is called in a list of mounts. */
  readonly rootName: string
}

/** What the script prints when fuse-overlayfs is to begin. */
export const fuseMounted = 'mounted'
/** What it prints when the container's root is `/`. */
export const rootReady = 'ready'
/** What it prints when the foreign mounts it was told of are gone. */
export const setupDone = 'done'

/**
 * The POSIX sh script that carries out a plan, inside a new mount namespace:
 *
 *  1. two tmpfs: the root, unbindable so that the rbind of the directory in which it stands
 *     leaves it out; and the layers inside it, a mount of its own because an overlay refuses
 *     an unbindable upper layer; with them the host's root file system without device nodes
 *     (`hostView`), or that of fuse-overlayfs; by one process
 *  2. directories, files, links, by one process (root-template.ts)
 *  3. all other mounts, by one process
 *  4. pivot_root
 *  5. `ready`: from outside the host's root, its view and the layers are detached (the overlays
 *     keep theirs), and /proc where nothing that follows needs it; then it reads the mount points
 *     to detach, one a line, up to an empty line (a newline as \n, a backslash as \\)
 *     (umount -c: without it umount(8) would ask a file system that may be dead; a failure
 *     is looked at from outside: the mount may have gone by itself, with its mount point)
 *  6. the plan's directories are covered: after 5, which could not reach below them
 *  7. where the root is to be read-only, its layers and the tmpfs are made so; what else is in it
 *     was mounted so
 *  8. /proc, which mount(8) and umount(8) need, goes where it is still there: the PID namespace mounts its own
 *  9. when it is to be locked, a copy of the mount namespace takes its place that a new user
 *     namespace owns. The kernel takes such a one for less trusted and locks what it copies,
 *     and what is propagated to it later: nobody, not even root of the machine, can make a
 *     mount in it writable, or unmount what covers another one (mount_namespaces(7)). The
 *     container enters the mount namespace alone, so it is nobody less than root in it.
 * 10. `done`; it holds the namespace until its standard input is closed
 */
export function setupScript(options: SetupScriptOptions): string {
  const { plan, world, template, fstabFile, fifos, locked, rootName } = options
  const layers = join(world, layersPlace)
  const rootsFile = `${fstabFile}-roots`
  const roots = formatFstab([
    tmpfs(rootName, world, ['mode=0755', 'unbindable', ...plan.rootOptions]),
    tmpfs('podfs', layers, ['mode=0700', 'X-mount.mkdir']),
    ...(plan.hostView === undefined ? [] : [plan.hostView]),
    ...(plan.fuseOverlay === undefined ? [] : [plan.fuseOverlay]),
  ])
  return [
    'set -e',
    'umask 022',
    command('mkfifo -m 600 --', fifos),
    // A file: from a pipe, mount(8) reads no fstab.
    `printf %s ${shellQuote(roots)} > ${shellQuote(rootsFile)}`,
    ...(plan.fuseOverlay === undefined
      ? [`mount -n -a -T ${shellQuote(rootsFile)}`]
      : [
          // -i: not by mount.fuse(8), which would start a server.
          `mount -n -i -a -T ${shellQuote(rootsFile)}`,
          // As soon as fuse-overlayfs ends, nobody waits for it.
          `exec ${setupDevice}<&-`,
          `echo ${fuseMounted}`,
        ]),
    // -RPp: of all that there may be, busybox's cp included, with the modes and owners.
    `cp -RPp -- ${shellQuote(`${template}/.`)} ${shellQuote(`${world}/`)}`,
    `mount -n -a -T ${shellQuote(fstabFile)}`,
    `cd ${shellQuote(world)}`,
    `pivot_root . ${oldRoot}`,
    'cd /',
    `echo ${rootReady}`,
    'set --',
    'while IFS= read -r point && [ -n "$point" ]; do',
    // The x: a substitution loses newlines at the end.
    '  case $point in *\\\\*) point=$(printf %bx "$point"); point=${point%x};; esac',
    '  set -- "$@" "$point"',
    'done',
    ...(plan.nested
      ? detachOrCover(plan.covered)
      : [`[ $# = 0 ] || ${detachAll} || :`]),
    ...plan.covered.map(cover),
    // One that came along may have gone; whether it is so is looked at from outside.
    ...plan.readOnly.map(
      place =>
        `${makeReadOnly(place)}${plan.nested ? ' 2>/dev/null || :' : ''}`,
    ),
    ...(plan.nested ? [] : ['[ ! -e /proc/self ] || umount -n -l /proc']),
    ...(locked ? [`exec ${lock} sh -c ${shellQuote(hold)}`] : [hold]),
    '',
  ].join('\n')
}

const hold = `echo ${setupDone}; read -r end || :`
const lock = 'unshare --user --mount --propagation unchanged --'

function tmpfs(
  source: string,
  target: string,
  options: readonly string[],
): FstabEntry {
  return { source, target, type: 'tmpfs', options }
}

function cover(directory: string): string {
  return `${coverBy} ${shellQuote(directory)}`
}

const coverBy = 'mount -n -t tmpfs -o ro,mode=0755,size=4k podfs'
const detachAll = 'umount -n -c -l -- "$@" 2>/dev/null'
const coverPoint = `${coverBy} "$point" 2>/dev/null`

/**
 * What is locked is covered. All by one process where they are podfs's own: there it does no harm
 * when one that is gone is covered as well, for the whole directory is to be.
 */
function detachOrCover(covered: readonly string[]): string[] {
  const own = covered.map(directory => `${shellQuote(directory)}/*`).join('|')
  return [
    ...(own === ''
      ? []
      : [
          'others=',
          `for point; do case $point in ${own}) ;; *) others=1 ;; esac; done`,
          `if [ $# != 0 ] && [ -z "$others" ] && ${detachAll}; then set --; fi`,
        ]),
    `for point; do umount -n -c -l -- "$point" 2>/dev/null || ${coverPoint} || :; done`,
  ]
}

/** With a source: else mount(8) would take the options of a line in /etc/fstab. */
function makeReadOnly({ path, options: flags }: ReadOnlyPlace): string {
  const options = ['remount', 'bind', 'ro', ...flags].join()
  return `mount -n -o ${options} podfs ${shellQuote(path)}`
}

function command(start: string, words: readonly string[]): string {
  return [start, ...words.map(shellQuote)].join(' ')
}
