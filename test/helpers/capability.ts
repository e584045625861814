import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import path from 'node:path'

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
