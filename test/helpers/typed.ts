import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { once } from 'node:events'
import type { Test } from 'tap'
import { isRoot } from './capability.ts'
import { eventually } from './podfs.ts'
import { processesWith } from './processes.ts'
import { openPseudoTerminal } from '../../src/linux/pseudo-terminal.ts'

/** A program on a terminal of its own, at which the test types. */
export async function startOnTerminal(t: Test, argv: readonly string[]) {
  const terminal = await openPseudoTerminal(await placeOfTerminals(t))
  const { master, slave, resize } = terminal
  master.on('error', () => undefined)
  resize({ columns: 120, rows: 40 })
  const child = spawn('setsid', ['--ctty', '--wait', '--', ...argv], {
    stdio: [slave, slave, slave],
    env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' },
  })
  closeSync(slave)
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  let seen = ''
  const waiting = new Set<() => void>()
  master.setEncoding('utf8').on('data', (text: string) => {
    seen += text
    for (const look of waiting) look()
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    master.destroy()
  })
  return {
    type: (text: string): void => {
      master.write(text)
    },
    resize,
    exited,
    /** What comes after what was seen before. */
    saw: (pattern: RegExp): Promise<RegExpExecArray> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(seen)
          if (match === null) return
          seen = seen.slice(match.index + match[0].length)
          waiting.delete(look)
          resolve(match)
        }
        waiting.add(look)
        look()
        void exited.then(() =>
          reject(new Error(`it ended without ${pattern}: ${seen}`)),
        )
      }),
  }
}

/**
 * A root whose /dev/pts has a ptmx for everybody. The machine's is closed to others than root, who
 * open /dev/ptmx; they may have a mount namespace with terminals of their own.
 */
async function placeOfTerminals(t: Test): Promise<string> {
  if (isRoot) return '/'
  const own = 'mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts'
  const holder = spawn('unshare', ['-Urm', 'sh', '-ec', `${own}; echo; cat`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => holder.kill('SIGKILL'))
  await once(holder.stdout, 'data')
  return `/proc/${holder.pid}/root`
}

/** At the prompt of a shell: a Ctrl-C ends what it runs. `seconds`: nobody else sleeps for so long. */
export async function interruptSleep(
  { type, saw }: Awaited<ReturnType<typeof startOnTerminal>>,
  seconds: string,
): Promise<void> {
  type(`sleep ${seconds}\n`)
  await eventually(() => processesWith(`sleep ${seconds}`).length > 0)
  type('\x03')
  await eventually(() => processesWith(`sleep ${seconds}`).length === 0)
  type('echo af""ter $?\n')
  await saw(/after 130\r\n/)
}
