import { leavesOf, type Leaf } from './shape.ts'
import { settingsShape } from './settings.ts'

/** `fuse.answerOpens` is PODFS_FUSE_ANSWER_OPENS. */
export function variableOf(path: readonly string[]): string {
  const words = path.map(name =>
    name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase(),
  )
  return `PODFS_${words.join('_')}`
}

/** The settings that fit into one word, which a variable or a flag can give. */
export function scalarLeaves(): Leaf[] {
  return leavesOf(settingsShape).filter(
    ({ shape }) => shape.kind === 'string' || shape.kind === 'boolean',
  )
}
