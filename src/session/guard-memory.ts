import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
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
  // That of child_process prints the environment of each child.
  const debug = env['NODE_DEBUG']?.match(/\*|child_process/i)?.[0]
  const ways = [
    { word: options.find(isOpening), start: 'env -u NODE_OPTIONS podfs' },
    { word: execArgv.find(isOpening), start: 'podfs' },
    { word: debug, start: 'env -u NODE_DEBUG podfs' },
  ]
  for (const { word, start } of ways)
    if (word !== undefined)
      throw new Failure(
        'usage',
        `node's ${word} would show Secrets to others`,
        {
          fix: `${start} ...`,
        },
      )
}

function isOpening(word: string): boolean {
  return openingFlag.test(word)
}

/**
 * The filter keeps memory out of any dump, also out of one that goes to a program
 * (core_pattern), which asks for no limit; the limit makes that there is none at all. Node
 * cannot set limits, and util-linux can; without it the filter is enough.
 */
function withoutCoreDumps(): void {
  try {
    writeFileSync('/proc/self/coredump_filter', '0')
  } catch {
    // A kernel without core dumps.
  }
  // As most shells have it; to start a program takes longer than to look.
  if (
    !/^Max core file size +0 /m.test(readFileSync('/proc/self/limits', 'utf8'))
  )
    execFile('prlimit', [`--pid=${process.pid}`, '--core=0:'], () => {})
}
