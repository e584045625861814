import { nearest } from '../util/edit-distance.ts'
import { leavesOf, type Leaf } from './setting-shape.ts'
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
  return leavesOf(settingsShape).filter(({ shape }) =>
    ['string', 'boolean', 'number'].includes(shape.kind),
  )
}

/** Read by podfs, its installer and its tests, and no settings. */
const furtherVariables = [
  'PODFS_CONFIG',
  'PODFS_DETACHED',
  'PODFS_NODE',
  'PODFS_RECORD_KUBECTL',
  'PODFS_WRITE_DOCS',
]

/** What is wrong with PODFS_* variables that nothing reads, one line for each. */
export function strayVariables(env: NodeJS.ProcessEnv): string[] {
  const settings = scalarLeaves().map(({ path }) => variableOf(path))
  const known = new Set([...settings, ...furtherVariables])
  const inFile = leavesOf(settingsShape).map(({ path }) => variableOf(path))
  // The prefix, which is right, is not to make short names alike.
  const bare = (variable: string): string => variable.replace(/^PODFS_/, '')
  return Object.keys(env)
    .filter(
      name =>
        /^PODFS_(?!TEST_)/.test(name) && !known.has(name) && env[name] !== '',
    )
    .map(name => {
      if (inFile.includes(name)) return `${name}: can only be set in podfs.yaml`
      const meant = nearest(bare(name), [...settings, 'PODFS_CONFIG'].map(bare))
      return `${name}: no such setting${meant === undefined ? '' : `; did you mean PODFS_${meant}?`}`
    })
}
