import { statSync } from 'node:fs'
import { textOf } from '../util/text-of.ts'

/** Ids of a user namespace, and whose they are outside of it: user_namespaces(7), uid_map. */
export interface IdRange {
  readonly inside: number
  readonly outside: number
  readonly count: number
}

export interface IdMaps {
  readonly uids: readonly IdRange[]
  readonly gids: readonly IdRange[]
}

/** All ids there are: (uid_t)-1 is nobody's. */
const allIds = 4_294_967_295

/**
 * The ids that this process's user namespace has; undefined in that of the machine, where there
 * is each. `outside` is as the namespace above numbers it.
 */
export function ownIdMaps(): IdMaps | undefined {
  const [uids, gids] = ['uid_map', 'gid_map'].map(name =>
    parseIdMap(textOf(`/proc/self/${name}`) ?? ''),
  ) as [IdRange[], IdRange[]]
  // A kernel without user namespaces has no such file.
  const isMachine = uids.length === 0 || uids.some(isWhole)
  return isMachine ? undefined : { uids, gids }
}

/** The uid of this process as the namespace around its own numbers it. */
export function outerUid(): number | undefined {
  const uid = process.getuid?.() ?? 0
  const range = ownIdMaps()?.uids.find(
    ({ inside, count }) => uid >= inside && uid < inside + count,
  )
  return range && range.outside + uid - range.inside
}

export function parseIdMap(text: string): IdRange[] {
  return text
    .split('\n')
    .map(line => line.trim().split(/\s+/).map(Number))
    .flatMap(([inside, outside, count]) =>
      inside === undefined || outside === undefined || count === undefined
        ? []
        : [{ inside, outside, count }],
    )
}

function isWhole({ inside, outside, count }: IdRange): boolean {
  return inside === 0 && outside === 0 && count === allIds
}

export function hasId(ranges: readonly IdRange[], id: number): boolean {
  return ranges.some(({ inside, count }) => id >= inside && id < inside + count)
}

/** How the kernel shows ids that a user namespace does not have (/proc/sys/kernel/overflowuid). */
export const overflowId = 65_534

/** Whether what root of the machine owns is nobody's here: an ordinary user's namespace. */
export function hasForeignRoot(): boolean {
  return ownIdMaps() !== undefined && statSync('/usr').uid === overflowId
}

/** Not of a user namespace. */
export function isRootOfMachine(): boolean {
  return process.getuid?.() === 0 && ownIdMaps() === undefined
}
