import { execFileSync } from 'node:child_process'

/**
 * The terminal that is this process's standard input hands on every byte, and prints every byte,
 * as it is. Returns what puts it back. By stty(1): Node's own raw mode turns a newline into two
 * characters on its way out, and whoever moves the cursor down by one (vim) finds it at the left.
 */
export function makeTerminalRaw(): () => void {
  const before = stty('-g').trim()
  stty('raw', '-echo', '-iexten')
  return () => {
    stty(before)
  }
}

function stty(...args: readonly string[]): string {
  return execFileSync('stty', args, {
    encoding: 'utf8',
    stdio: ['inherit', 'pipe', 'ignore'],
  })
}
