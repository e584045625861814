import { accessSync, constants, realpathSync } from 'node:fs'
import path from 'node:path'
import { shellWord } from '../util/shell-word.ts'
import type { Context } from './context.ts'
import { textOf } from '../util/text-of.ts'

/**
 * The sources write every remedy for one machine: Debian, with sudo, and with podfs where root
 * finds it. Here it becomes what can be typed on this one.
 */

/** Who reads the remedy, and where. */
export interface Place {
  readonly isRoot: boolean
  /** What makes root of a user here; undefined: there is nothing. */
  readonly elevate: 'sudo' | 'doas' | undefined
  /** What root types to start this podfs. */
  readonly podfsAsRoot: string
  /** The content of /etc/os-release (os-release(5)). */
  readonly osRelease: string
}

/** The remedy as it is to be typed at the place: who makes root, podfs's name, the packages. */
export function remedyAt(fix: string, place: Place): string {
  return fix
    .replaceAll(
      /\b(sudo )?apt-get install ([a-z\d-]+(?: [a-z\d-]+)*)( \([^)]*\))?/g,
      (asOnDebian, sudo: string | undefined, packages: string) =>
        installing(packages.split(' '), place.osRelease, sudo) ?? asOnDebian,
    )
    .replaceAll(
      /(^|; or )sudo (podfs\b)?/gm,
      (_, before: string, podfs: string | undefined) => {
        const rest = podfs === undefined ? '' : place.podfsAsRoot
        if (place.isRoot) return `${before}${rest}`
        return `${before}${place.elevate ?? 'as root:'} ${rest}`
      },
    )
}

/** By the ID of os-release(5), or by one of what it is like. */
const installers: Readonly<Record<string, string>> = {
  debian: 'apt-get install',
  ubuntu: 'apt-get install',
  fedora: 'dnf install',
  rhel: 'dnf install',
  centos: 'dnf install',
  arch: 'pacman -S',
  opensuse: 'zypper install',
  suse: 'zypper install',
  sles: 'zypper install',
  alpine: 'apk add',
}

/** Packages that are not called what they are called in Debian. */
const names: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'dnf install': { libfuse2: 'fuse-libs' },
  'pacman -S': { libfuse2: 'fuse2', 'kubernetes-client': 'kubectl' },
  'zypper install': {},
  'apk add': { libfuse2: 'fuse', 'kubernetes-client': 'kubectl' },
}

/** undefined: as on Debian. */
function installing(
  packages: readonly string[],
  osRelease: string,
  sudo = '',
): string | undefined {
  const installer = [
    valueOf('ID', osRelease),
    ...valueOf('ID_LIKE', osRelease).split(' '),
  ]
    .map(id => installers[id])
    .find(found => found !== undefined)
  if (installer === 'apt-get install') return undefined
  const renamed = installer === undefined ? {} : names[installer]
  const words = packages
    // Only Debian has mount(8) in a package of its own.
    .filter(name => name !== 'mount')
    .map(name => renamed?.[name] ?? name)
  return installer === undefined
    ? `install ${words.join(', ')} (Debian's names of the packages)`
    : `${sudo}${installer} ${words.join(' ')}`
}

function valueOf(name: string, osRelease: string): string {
  const [, value = ''] =
    new RegExp(`^${name}=["']?([^"'\\n]*)`, 'm').exec(osRelease) ?? []
  return value
}

/** How podfs was started, and what there is for root. */
export interface Start {
  /** The node that runs it. */
  readonly node: string
  /** process.argv[1]: a link, or the program itself. */
  readonly program: string
  /** Behind all links. */
  readonly script: string
  readonly byNpx: boolean
  readonly isExecutable: (file: string) => boolean
}

/** In every root's PATH, also sudo's secure_path; /usr/local/bin is not. */
const rootsPath = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']

/**
 * What root types for this podfs. A bundle begins with `env node`, so that without a node in
 * root's PATH it takes the node's path, too.
 */
export function podfsAsRoot(start: Start): string {
  const { node, program, script, byNpx, isExecutable } = start
  const inRootsPath = (name: string): boolean =>
    rootsPath.some(directory => isExecutable(path.join(directory, name)))
  const short = (file: string): string =>
    rootsPath.includes(path.dirname(file))
      ? path.basename(file)
      : shellWord(file)
  // systemd/install.sh: a script that knows its node.
  const installed = path.resolve(script, '../../../bin/podfs')
  if (script.endsWith('/lib/podfs/podfs.cjs') && isExecutable(installed))
    return short(installed)
  if (!inRootsPath('node')) return `${shellWord(node)} ${shellWord(script)}`
  if (byNpx && inRootsPath('npx')) return 'npx podfs'
  if (byNpx || !isExecutable(program)) return `node ${shellWord(script)}`
  return short(program)
}

/** The same finding, or check of `podfs doctor`, with its remedy as it is to be typed here. */
export function withRemedyHere<T extends { readonly fix?: string }>(
  finding: T,
  context: Pick<Context, 'uid' | 'env'>,
): T {
  const { fix } = finding
  return fix === undefined
    ? finding
    : { ...finding, fix: remedyHere(fix, context) }
}

/** `remedyAt` this machine. */
export function remedyHere(
  fix: string,
  { uid, env }: Pick<Context, 'uid' | 'env'>,
): string {
  const onPath = (name: string): boolean =>
    (env['PATH'] ?? '')
      .split(':')
      .some(directory => isExecutable(path.join(directory, name)))
  const program = process.argv[1] ?? ''
  return remedyAt(fix, {
    isRoot: uid === 0,
    elevate: (['sudo', 'doas'] as const).find(onPath),
    podfsAsRoot: podfsAsRoot({
      node: process.execPath,
      program,
      script: realpathSync(program),
      // npm's variable alone may be about another program, which started this one.
      byNpx:
        env['npm_command'] === 'exec' &&
        program.endsWith('/node_modules/.bin/podfs'),
      isExecutable,
    }),
    osRelease: textOf('/etc/os-release') ?? '',
  })
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
