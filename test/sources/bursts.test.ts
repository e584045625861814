import { execFile } from 'node:child_process'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { capability } from '../helpers/capability.ts'
import {
  configMapYaml,
  follow,
  followDirectory,
  temporaryDirectory,
  type Live,
} from './live.ts'

/*
 * Many files at once: a volume made of them should go from the one state to the other, with
 * nothing in between that nobody ever meant.
 */

const run = promisify(execFile)
/** 200 for git; fewer for the others, whose ways of writing differ, not their number. */
let files = 60

/** Names and contents of a state of the directory. */
type State = ReadonlyMap<string, string>

/** Half of the names stay, the others come and go. */
function branch(value: string): State {
  const names = Array.from({ length: files }, (_, i) =>
    i % 10 === 0 ? `only-${value}-${i}.yaml` : `f${i}.yaml`,
  )
  return new Map(
    names.map(name => [
      name,
      configMapYaml(name.replace('.yaml', ''), { k: value }),
    ]),
  )
}

/** What has been published, as `VALUES in COUNT`. */
interface Follower {
  readonly live: Live
  readonly now: () => string
  readonly states: string[]
}

function watchStates(live: Live, values: () => readonly string[]): Follower {
  const states: string[] = []
  const now = () => {
    const all = values()
    return `${[...new Set(all)].sort().join(' and ')} in ${all.length}`
  }
  live.store.watch(() => states.push(now()))
  return { live, now, states }
}

async function write(directory: string, state: State): Promise<void> {
  await mkdir(directory, { recursive: true })
  for (const [name, content] of state)
    await writeFile(join(directory, name), content)
}

async function followBoth(t: Test, directory: string) {
  const manifests = await follow(t, [directory])
  const keys = await followDirectory(t, directory)
  return {
    manifests: watchStates(manifests, () =>
      manifests.store.list('ConfigMap').map(each => each.data.get('k') ?? ''),
    ),
    keys: watchStates(keys, () =>
      [
        ...(keys.store.get('ConfigMap', 'default', 'cm')?.data.values() ?? []),
      ].map(content => /k: "(.*)"/.exec(content)?.[1] ?? ''),
    ),
  }
}

interface Burst {
  readonly skip?: string | false
  /** Before anything follows the directory, whose state is that of `one`. */
  prepare?: (directory: string) => Promise<unknown>
  /** Makes it the state of `value`. */
  change: (directory: string, value: string) => Promise<unknown>
}

function git(directory: string, ...args: string[]) {
  const who = ['-c', 'user.name=x', '-c', 'user.email=x']
  return run('git', ['-C', directory, ...who, ...args])
}

async function commit(directory: string, value: string): Promise<void> {
  await run('sh', ['-c', 'rm -f "$1"/*.yaml', 'sh', directory])
  await write(directory, branch(value))
  await git(directory, 'add', '--all')
  await git(directory, 'commit', '-qm', value)
}

async function makeRepository(directory: string): Promise<void> {
  await git(directory, 'init', '-q', '-b', 'one')
  await commit(directory, 'one')
  await git(directory, 'checkout', '-qb', 'two')
  await commit(directory, 'two')
  await git(directory, 'checkout', '-q', 'one')
}

/** The state, complete, beside the directory. */
async function beside(directory: string, value: string): Promise<string> {
  const path = `${directory}-${value}`
  await rm(path, { recursive: true, force: true })
  await write(path, branch(value))
  return path
}

const bursts: Readonly<Record<string, Burst>> = {
  'git checkout': {
    skip: capability('git'),
    prepare: makeRepository,
    change: (directory, value) => git(directory, 'checkout', '-q', value),
  },
  'git stash, and pop': {
    skip: capability('git'),
    prepare: makeRepository,
    // The other branch's state as changes that nobody has committed.
    change: async (directory, value) => {
      if (value === 'one') await git(directory, 'stash', '-qu')
      else if ((await git(directory, 'stash', 'list')).stdout !== '')
        await git(directory, 'stash', 'pop', '-q')
      else
        await git(directory, 'checkout', '-q', 'two', '--', '.').then(() =>
          git(directory, 'rm', '-qf', '--', 'only-one-*'),
        )
    },
  },
  'git rebase of five commits': {
    skip: capability('git'),
    prepare: async directory => {
      await makeRepository(directory)
      for (const name of ['one', 'two']) {
        await git(directory, 'checkout', '-q', name)
        await git(directory, 'checkout', '-qb', `base-${name}`)
        await git(directory, 'checkout', '-q', '--orphan', `work-${name}`)
        await git(directory, 'commit', '-qm', `${name} 0`)
        for (let i = 1; i <= 5; i++) {
          await mkdir(join(directory, '.work'), { recursive: true })
          await writeFile(join(directory, '.work', `${name}${i}`), name)
          await git(directory, 'add', '--all')
          await git(directory, 'commit', '-qm', `${name} ${i}`)
        }
      }
      await git(directory, 'checkout', '-q', 'one')
    },
    change: async (directory, value) => {
      await git(directory, 'checkout', '-q', '-B', 'feature', `work-${value}`)
      await git(directory, 'rebase', '-q', '--onto', value, 'HEAD~5')
    },
  },
  'rsync --delete': {
    skip: capability('rsync'),
    change: async (directory, value) =>
      run('rsync', [
        '-r',
        '--ignore-times',
        '--delete',
        `${await beside(directory, value)}/`,
        directory,
      ]),
  },
  'rsync --delete-after --delay-updates': {
    skip: capability('rsync'),
    change: async (directory, value) =>
      run('rsync', [
        '-r',
        '--ignore-times',
        '--delete-after',
        '--delay-updates',
        `${await beside(directory, value)}/`,
        directory,
      ]),
  },
  'tar over what is there, and the rest removed': {
    change: async (directory, value) =>
      run('sh', [
        '-ec',
        'tar -C "$2" -c . | tar -C "$1" -x; cd "$1"; for f in *; do [ -e "$2/$f" ] || rm "$f"; done',
        'sh',
        directory,
        await beside(directory, value),
      ]),
  },
  'the directory moved away and another moved in': {
    change: async (directory, value) => {
      await rename(directory, `${directory}-old`)
      await rename(await beside(directory, value), directory)
      await rm(`${directory}-old`, { recursive: true })
    },
  },
  'the same, half a second apart': {
    change: async (directory, value) => {
      const next = await beside(directory, value)
      await run('sh', [
        '-ec',
        'mv "$1" "$1-old"; sleep 0.5; mv "$2" "$1"; rm -r "$1-old"',
        'sh',
        directory,
        next,
      ])
    },
  },
  'the directory removed, and back half a second later': {
    change: async (directory, value) => {
      const next = await beside(directory, value)
      await run('sh', [
        '-ec',
        'rm -r "$1"; sleep 0.5; mv "$2" "$1"',
        'sh',
        directory,
        next,
      ])
    },
  },
  'its parent moved away and another moved in, half a second apart': {
    change: async (directory, value) => {
      const parent = join(directory, '..')
      await rm(`${parent}-next`, { recursive: true, force: true })
      await write(join(`${parent}-next`, 'dir'), branch(value))
      await run('sh', [
        '-ec',
        'mv "$1" "$1-old"; sleep 0.5; mv "$1-next" "$1"; rm -r "$1-old"',
        'sh',
        parent,
      ])
    },
  },
  'ln -sfn release-N': {
    prepare: async directory => {
      await rename(directory, `${directory}-first`)
      await symlink('dir-first', directory)
    },
    // Removes the link, then makes the new one.
    change: async (directory, value) =>
      run('ln', ['-sfn', await beside(directory, value), directory]),
  },
  'a link renamed over a link': {
    prepare: async directory => {
      await rename(directory, `${directory}-first`)
      await symlink('dir-first', directory)
    },
    change: async (directory, value) => {
      await symlink(await beside(directory, value), `${directory}.tmp`)
      await rename(`${directory}.tmp`, directory)
    },
  },
}

/** A writer that this machine lets wait for 100 ms in the middle seems to have finished. */
const mostRounds = 20

for (const [name, { skip = false, prepare, change }] of Object.entries(
  bursts,
)) {
  t.test(name, { skip }, async t => {
    files = name === 'git checkout' ? 200 : 60
    const directory = join(await temporaryDirectory(t), 'parent', 'dir')
    await write(directory, branch('one'))
    await prepare?.(directory)
    const both = await followBoth(t, directory)
    /** Rounds in which there was one new generation, with nothing mixed in it. */
    const clean = { manifests: 0, keys: 0 }
    for (let i = 0; i < mostRounds; i++) {
      const value = i % 2 === 0 ? 'two' : 'one'
      for (const { states } of Object.values(both)) states.length = 0
      await change(directory, value)
      for (const which of ['manifests', 'keys'] as const) {
        const { live, now, states } = both[which]
        const whole = `${value} in ${files}`
        await live.until(
          () => now() === whole,
          `${which}, round ${i}: ${value}`,
        )
        if (states.length === 1) clean[which]++
      }
      if (i >= 2 && clean.manifests >= 2 && clean.keys >= 2) break
    }
    for (const which of ['manifests', 'keys'] as const) {
      t.ok(clean[which] >= 2, `${which}: ${clean[which]} rounds`)
      t.same(
        both[which].live.lines.filter(line => !line.endsWith('stays')),
        [],
      )
    }
  })
}
