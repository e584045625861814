import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { Failure } from '../util/failure.ts'

/** What would let others read the memory of a Node process, or write it to a disk. */
const openingFlag = /^--(inspect|heapsnapshot|heap-prof|report)/

/**
 * Closes the ways by which what is in this process's memory, Secrets, could leave it unasked:
 * an inspector, snapshots and reports, core dumps. Children inherit the last. Throws a usage
 * Failure when Node was told to open one.
 */
export function guardMemory(
  env: NodeJS.ProcessEnv,
  execArgv: readonly string[] = process.execArgv,
): void {
  refuseOpenings(env, execArgv)
  // Without a listener Node answers it with an inspector on a port that every user of the
  // machine can reach.
  process.on('SIGUSR1', () => {})
  withoutCoreDumps()
}

function refuseOpenings(
  env: NodeJS.ProcessEnv,
  execArgv: readonly string[],
): void {
  const options: readonly string[] = env['NODE_OPTIONS']?.match(/\S+/g) ?? []
  const ways = [
    { variable: 'NODE_OPTIONS', word: options.find(isOpening) },
    { variable: 'NODE_OPTIONS', word: execArgv.find(isOpening) },
    // It prints the environment of each child.
    {
      variable: 'NODE_DEBUG',
      word: env['NODE_DEBUG']?.match(/\*|child_process/i)?.[0],
    },
  ]
  const way = ways.find(({ word }) => word !== undefined)
  if (way === undefined) return
  throw new Failure(
    'usage',
    `node's ${way.word} would show Secrets to others`,
    { fix: `env -u ${way.variable} podfs ...` },
  )
}

function isOpening(word: string): boolean {
  return openingFlag.test(word)
}

/**
 * The filter keeps memory out of any dump, also out of one that goes to a program
 * (core_pattern), which asks for no limit; the limit makes that there is none at all. Node
 * cannot set limits, and util-linux can.
 */
function withoutCoreDumps(): void {
  try {
    writeFileSync('/proc/self/coredump_filter', '0')
  } catch {
    // A kernel without core dumps.
  }
  execFile('prlimit', [`--pid=${process.pid}`, '--core=0:'], () => {})
}
