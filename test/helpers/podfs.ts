import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { escapeMountPath } from '../../src/linux/mountinfo.ts'
import { placesOf } from '../../src/session/places.ts'
import type { Test } from 'tap'
import { isRoot } from './capability.ts'

/*
 * The built program, as a person starts it: by argv, judged by its output and exit code.
 */

const podfsBinary = path.resolve('dist/podfs.cjs')

/** Where a podfs that a test starts keeps its things. */
export const { runtime: runtimeDirectory, state: stateDirectory } = placesOf(
  process.env,
  process.getuid?.() ?? 0,
)

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunningPodfs {
  readonly pid: number
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  /** Resolves with the match as soon as stdout (or stderr) has it; fails when podfs ends first. */
  saw(pattern: RegExp, stream?: 'stdout' | 'stderr'): Promise<RegExpExecArray>
  readonly ended: Promise<Ended>
}

export interface PodfsOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string
  /** Put before the program, such as `unshare --net`. */
  readonly wrapper?: readonly string[]
  /** Another build's. */
  readonly program?: string
  /** Without this, an internal error of podfs fails the test, whatever else it looks at. */
  readonly hasDefect?: boolean
}

/** Starts podfs and makes sure that it has ended when the test has. */
export function startPodfs(
  t: Test,
  args: readonly string[],
  options: PodfsOptions = {},
): RunningPodfs {
  const [program, ...rest] = [
    // tap puts a loader of its own into the NODE_OPTIONS of each process that a test starts.
    'env',
    `NODE_OPTIONS=${options.env?.NODE_OPTIONS ?? ''}`,
    ...(options.wrapper ?? []),
    process.execPath,
    options.program ?? podfsBinary,
    ...args,
  ] as [string, ...string[]]
  const child = spawn(program, rest, {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  if (child.pid !== undefined) started.add(child.pid)
  // It may end before it has read all of it.
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(options.input)
  const seen = { stdout: '', stderr: '' }
  const waiting = new Set<() => void>()
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      seen[stream] += text
      for (const look of waiting) look()
    })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      // Its own, what a pod shim has told it, and what Node warns of.
      const isDefect =
        /^internal error: | ERROR internal error |^\(node:\d+\) .*Warning/m
      if (options.hasDefect !== true && isDefect.test(seen.stderr))
        reject(new Error(`podfs has a defect: ${seen.stderr}`))
      resolve({ code, signal, ...seen })
      for (const look of waiting) look()
    })
  })
  let over = false
  ended.then(
    () => (over = true),
    () => (over = true),
  )
  t.teardown(async () => {
    // What a log of CI has of a failure that does not come again.
    if (!t.passing())
      process.stderr.write(
        `podfs ${args.join(' ')}\nstdout: ${seen.stdout.slice(-3000)}\nstderr: ${seen.stderr.slice(-3000)}\n`,
      )
    if (!over) child.kill('SIGTERM')
    await ended
  })
  return {
    pid: child.pid ?? 0,
    child,
    stdout: () => seen.stdout,
    stderr: () => seen.stderr,
    ended,
    saw: (pattern, stream = 'stdout') =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(seen[stream])
          if (
            match === null &&
            child.exitCode === null &&
            child.signalCode === null
          )
            return
          waiting.delete(look)
          if (match !== null) resolve(match)
          else
            reject(
              new Error(
                `podfs ended without ${pattern} on ${stream}\nstdout: ${seen.stdout}\nstderr: ${seen.stderr}`,
              ),
            )
        }
        waiting.add(look)
        look()
      }),
  }
}

/** Runs podfs to its end. */
export function podfs(
  t: Test,
  args: readonly string[],
  options?: PodfsOptions,
): Promise<Ended> {
  return startPodfs(t, args, options).ended
}

/** Where tap makes this test file's directories; another clone's are not among them. */
const fixtures = path.resolve(
  '.tap/fixtures',
  path.relative('.', process.argv[1] ?? '').replaceAll('/', '-'),
)

/** Every podfs that this test file has started; others run beside it. */
const started = new Set<number>()

/** A process that podfs itself left in the background, by what `--detach` printed. */
export function noteDetached(stdout: string): number {
  const pid = Number(stdout)
  // To kill 0 or -1 is to kill the tests, npm, and whatever else is there.
  if (!Number.isSafeInteger(pid) || pid <= 1)
    throw new Error(`podfs printed no pid: ${JSON.stringify(stdout)}`)
  started.add(pid)
  return pid
}

/**
 * The lines of /proc/self/mountinfo that belong to a podfs of this test file: private mounts
 * by their run-time directory, public ones by the connection that they share with those.
 */
export function podfsMounts(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  // Its source names the session where there is no private mount: an ordinary user's.
  const session = new RegExp(` ${runtimeDirectory}/[a-z]+-(\\d+)[/ ]`)
  const own = lines.filter(line => started.has(Number(session.exec(line)?.[1])))
  const devices = new Set(own.map(line => line.split(' ')[2]))
  return lines.filter(
    line =>
      devices.has(line.split(' ')[2]) ||
      (line.includes('fuse.podfs') && line.includes(escapeMountPath(fixtures))),
  )
}

/** How many those are of one `podfs mount`: the private and the public one; an ordinary user's is one. */
export const mountsOfOne = isRoot ? 2 : 1

/**
 * Looks until `condition` gives something, a tenth of the time, or a quarter where a look takes long:
 * it may be a program that is started, or all of /proc, and what it waits for needs the processors,
 * too. The test's own time-out is the limit.
 */
export async function eventually<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  for (;;) {
    const start = performance.now()
    const result = await condition()
    if (result !== undefined && result !== false) return result
    const took = performance.now() - start
    const pause = Math.max(5, 3 * took, Math.min(9 * took, 1000))
    await new Promise(resolve => setTimeout(resolve, pause))
  }
}

/**
 * A program in the container of a process, to its end: what it says. Who is not in an ordinary user's
 * namespaces gets EACCES for each file of a volume there.
 */
export function inContainer(pid: number, argv: readonly string[]): string {
  const own = isRoot ? [] : ['--user', '--preserve-credentials']
  const enter = [`--target=${pid}`, ...own, '--mount', '--root', '--wd=/', '--']
  return execFileSync('nsenter', [...enter, ...argv], { encoding: 'utf8' })
}

/** False for a zombie: it has ended, only its parent (on some machines a lazy init) has not looked. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return (
      stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z'
    )
  } catch {
    return false
  }
}
