import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** In the runtime directory: the programs that are to be taken from now on. */
export const PROGRAMS = 'programs'
/** The words with which keeper.sh is started, from its own path on. */
export type KeeperWords = readonly string[]
export const SCRIPT_AT = 0
export const NODE_AT = 5
export const SERVER_AT = 6

/** The programs of a mount. */
export interface Programs {
  readonly script: string
  readonly node: string
  readonly server: string
}

/** The words with the programs that the runtime directory names, if it does. */
export function withPrograms(
  words: KeeperWords,
  directory: string,
): KeeperWords {
  let programs: Programs
  try {
    programs = JSON.parse(
      readFileSync(join(directory, PROGRAMS), 'utf8'),
    ) as Programs
  } catch {
    return words
  }
  return words
    .with(SCRIPT_AT, programs.script)
    .with(NODE_AT, programs.node)
    .with(SERVER_AT, programs.server)
}
