import { isatty } from 'node:tty'
import { systemClock } from '../util/clock.ts'
import type { Context } from './context.ts'
import { detachedContext } from './detached-context.ts'
import { runProgram } from './program.ts'
import packageJson from '../../package.json' with { type: 'json' }

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const context: Context = {
  stdout: process.stdout,
  stderr: process.stderr,
  logFd: 2,
  stderrIsTerminal: isatty(2),
  colour: isatty(2) && !process.env['NO_COLOR'],
  env: process.env,
  uid: process.getuid?.() ?? 0,
  cwd: process.cwd(),
  argv: process.argv.slice(2),
  clock: systemClock,
  onSignal: listener => {
    for (const signal of signals) process.on(signal, listener)
    return () => {
      for (const signal of signals) process.off(signal, listener)
    }
  },
}

// A reader that went away (`podfs run ... | head`) ends the program as it ends any other.
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  process.kill(process.pid, 'SIGTERM')
})

// What nobody reads any more, or what a full disk does not take, is no reason to end: mounts
// and Pods go on.
process.stderr.on('error', () => {})

// What a volume's directories get is what the umask leaves, as in a kubelet, whatever the
// person's own umask is.
process.umask(0o022)

const world = detachedContext(context) ?? context
void runProgram(world, packageJson.version).then(async code => {
  // A pipe takes 64 KiB at a time; what a slow reader has not taken yet would be lost.
  await new Promise(resolve => process.stdout.write('', resolve))
  // Nothing that is still open (a watcher, a pipe of a process that outlives us) may keep a
  // finished command alive; what must be waited for, the command has waited for.
  // oxlint-disable-next-line unicorn/no-process-exit
  process.exit(code)
})
