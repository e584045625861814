import { basename, dirname, join } from 'node:path'
import { formatFstab, type FstabEntry } from './fstab.ts'
import type { PlannedLink, RootPlan } from './root-tree.ts'
import { shellQuote } from './shell-quote.ts'

export interface SetupScriptOptions {
  readonly plan: RootPlan
  readonly world: string
  /** The plan's fstab, as a file. */
  readonly fstabFile: string
  /** Made for the container's output. */
  readonly fifos: readonly string[]
  readonly hostname?: string
  /** Covered by an empty directory at the end: podfs's own run-time directory. */
  readonly hidden?: string
}

/** What the script prints when the container's root is `/`. */
export const rootReady = 'ready'
/** What it prints when the foreign mounts it was told of are gone. */
export const setupDone = 'done'

/**
 * The POSIX sh script that carries out a plan, inside new mount and UTS namespaces:
 *
 *  1. two tmpfs: the root, unbindable so that the rbind of the directory in which it stands
 *     leaves it out; and the layers inside it, a mount of its own because an overlay refuses
 *     an unbindable upper layer; by one process
 *  2. directories, files, links
 *  3. all other mounts, by one process
 *  4. pivot_root; the host's root and the layers are detached (the overlays keep theirs)
 *  5. `ready`; then it reads the mount points to detach, one a line, up to an empty line
 *     (umount -c: without it umount(8) would ask a file system that may be dead; a failure
 *     is looked at from outside: the mount may have gone by itself, with its mount point)
 *  6. the run-time directory is covered, unless the plan has done so: after 5, which could
 *     not reach below it
 *  7. /proc, which umount(8) needed, goes: the PID namespace mounts its own
 *  8. `done`; it holds the namespaces until its standard input is closed
 */
export function setupScript(options: SetupScriptOptions): string {
  const { plan, world, fstabFile, fifos, hostname, hidden } = options
  const layers = join(world, '.podfs/layers')
  const rootsFile = `${fstabFile}-roots`
  const roots = formatFstab([
    tmpfs(world, ['mode=0755', 'unbindable']),
    tmpfs(layers, ['mode=0700', 'X-mount.mkdir']),
  ])
  return [
    'set -e',
    'umask 022',
    command('mkfifo -m 600 --', fifos),
    // A file: from a pipe, mount(8) reads no fstab.
    `printf %s ${shellQuote(roots)} > ${shellQuote(rootsFile)}`,
    `mount -n -a -T ${shellQuote(rootsFile)}`,
    ...makeDirectories(plan, join(world, '.podfs/old')),
    ...plan.files.map(path => `: > ${shellQuote(path)}`),
    ...makeLinks(plan.links),
    `mount -n -a -T ${shellQuote(fstabFile)}`,
    ...(hostname === undefined
      ? []
      : [`printf %s ${shellQuote(hostname)} > /proc/sys/kernel/hostname`]),
    `cd ${shellQuote(world)}`,
    'pivot_root . .podfs/old',
    'cd /',
    'umount -n -l /.podfs/layers /.podfs/old',
    'rmdir /.podfs/layers /.podfs/old /.podfs',
    `echo ${rootReady}`,
    'set --',
    'while IFS= read -r point && [ -n "$point" ]; do set -- "$@" "$point"; done',
    '[ $# = 0 ] || umount -n -c -l -- "$@" 2>/dev/null || :',
    ...(hidden === undefined || plan.hides ? [] : [hide(hidden)]),
    'umount -n -l /proc',
    `echo ${setupDone}`,
    'read -r end || :',
    '',
  ].join('\n')
}

function tmpfs(target: string, options: readonly string[]): FstabEntry {
  return { source: 'podfs', target, type: 'tmpfs', options }
}

function hide(directory: string): string {
  const path = shellQuote(directory)
  return `if [ -d ${path} ]; then mount -n -t tmpfs -o mode=0755,size=4k podfs ${path}; fi`
}

/** One process for all of them, and one for each unusual mode or owner. */
function makeDirectories(plan: RootPlan, oldRoot: string): string[] {
  const { directories } = plan
  const modes = groupBy(
    directories.filter(({ mode }) => mode !== undefined),
    ({ mode }) => (mode ?? 0).toString(8),
  )
  const owners = groupBy(
    directories.filter(({ uid }) => uid !== undefined),
    ({ uid, gid }) => `${uid}:${gid}`,
  )
  const paths = (group: typeof directories): string[] =>
    group.map(({ path }) => path)
  return [
    command('mkdir -p --', [oldRoot, ...paths(directories)]),
    // chown first: it would clear the set-id bits.
    ...owners.map(([owner, group]) =>
      command(`chown ${owner} --`, paths(group)),
    ),
    ...modes.map(([mode, group]) => command(`chmod ${mode} --`, paths(group))),
  ]
}

/** `ln -s usr/bin usr/lib DIR/` makes all links that have their target's name. */
function makeLinks(links: readonly PlannedLink[]): string[] {
  const named = (link: PlannedLink): boolean =>
    basename(link.target) === basename(link.path) && !link.target.endsWith('/')
  return [
    ...groupBy(links.filter(named), ({ path }) => dirname(path)).map(
      ([directory, group]) =>
        command('ln -s --', [
          ...group.map(({ target }) => target),
          `${directory}/`,
        ]),
    ),
    ...links
      .filter(link => !named(link))
      .map(({ path, target }) => command('ln -s --', [target, path])),
  ]
}

function command(start: string, words: readonly string[]): string {
  return [start, ...words.map(shellQuote)].join(' ')
}

function groupBy<T>(
  items: readonly T[],
  key: (item: T) => string,
): [string, T[]][] {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group) group.push(item)
    else groups.set(key(item), [item])
  }
  return [...groups]
}
