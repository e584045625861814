import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { withOomScore } from '../../linux/with-oom-score.ts'
import { whyNotSpawned } from './argument-limit.ts'
import type { HostCommand, Launch } from './launch-command.ts'

/**
 * Starts a command of launch-command.ts; `files` are open in it after its standard streams, those
 * that there are, 'pipe' is one to this process. Throws an Error in the words of the container engines.
 */
export function spawnCommand(
  { file, args, env }: HostCommand,
  launch: Launch,
  {
    stdio,
    files,
  }: {
    readonly stdio: readonly ('ignore' | 'pipe' | number)[]
    readonly files: readonly (string | undefined)[]
  },
): ChildProcess {
  const opened: number[] = []
  const more: ('pipe' | number)[] = []
  try {
    for (const path of files) {
      if (path === undefined) continue
      if (path !== 'pipe') opened.push(openSync(path, 'r'))
      more.push(path === 'pipe' ? path : (opened.at(-1) as number))
    }
    return withOomScore(launch.oomScoreAdjust, () =>
      spawn(file, args, {
        cwd: '/',
        env,
        stdio: [...stdio, ...more],
        // A session of its own: the terminal's Ctrl-C is podfs's to hand on, and the whole of its
        // group can be killed. Killing nsenter alone would leave a command in the container.
        detached: true,
      }),
    )
  } catch (error) {
    throw new Error(whyNotSpawned(error, launch), { cause: error })
  } finally {
    for (const descriptor of opened) closeSync(descriptor)
  }
}
