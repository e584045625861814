import { execFileSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { isRootOfMachine } from '../../src/linux/user-namespace.ts'
import { ownMapping } from '../../src/session/own-namespace.ts'

// After what the machine has: see test/fetch-programs.sh. podfs inherits it.
process.env['PATH'] = [
  process.env['PATH'],
  path.resolve('node_modules/.cache/podfs-test/bin'),
].join(':')

/**
 * For a test's `skip`: false when the machine has the program, else the reason. On CI, which
 * installs them all, nothing is skipped: the test runs and fails.
 */
export function capability(program: string): string | false {
  if (process.env['PODFS_TEST_NO_SKIP'] === '1') return false
  return isInstalled(program) ? false : `needs ${program}`
}

/**
 * For the `skip` of a test that runs podfs as another user: false when everybody may enter this
 * clone, else the reason. CI opens its own.
 */
export function closedClone(): string | false {
  for (let place = process.cwd(); place !== '/'; place = path.dirname(place))
    if ((statSync(place).mode & 0o001) === 0)
      return `other users cannot enter this clone: chmod o+x ${place}`
  return false
}

/**
 * For the `skip` of a test that starts podfs as whoever has started the test: why that podfs can
 * neither mount nor have containers of several users here, or false.
 */
export function cannotStart(): string | false {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
  } catch {
    return 'needs /dev/fuse'
  }
  if (isRoot) return false
  const { lack } = ownMapping()
  if (lack !== undefined) return `needs a range of user ids: ${lack.why}`
  return capability('fusermount3')
}

export const isRoot = process.getuid?.() === 0

/** For `skip`: why this process can make no mounts and namespaces, or false. See test/run.mjs. */
export function needsNamespace(): string | false {
  return isRoot ? false : 'needs root, of a user namespace at least'
}

/** What the kernel lets only root of the machine do. */
const onlyRoot = {
  limits: 'makes cgroups',
  mount: 'mounts and unmounts what other programs see',
  fusectl: 'mounts fusectl',
  file: 'reads and writes files of mode 0',
  user: 'becomes another user, or gives a file away',
  port: 'listens at a port below 1024',
  machine: 'changes the machine, or the rights of its podfs',
} as const

/**
 * For `skip`: why an ordinary user cannot do it, or false. `.ci/run` knows the words: as a user it
 * does not count these, which it has run as root.
 */
export function needsRoot(what: keyof typeof onlyRoot): string | false {
  return isRoot ? false : `for root only: ${onlyRoot[what]}`
}

/** The same where this process may be root of a user namespace alone: test/run.mjs. */
export function needsRootOfMachine(
  what: keyof typeof onlyRoot,
): string | false {
  return isRootOfMachine() ? false : `for root only: ${onlyRoot[what]}`
}

/** The same for a program that no Debian package brings, so that CI may lack it, too. */
export function foreignCapability(program: string): string | false {
  return isInstalled(program)
    ? false
    : `needs ${program}, which Debian has no package of`
}

function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], {
      stdio: 'ignore',
    })
    return true
  } catch {
    return false
  }
}
