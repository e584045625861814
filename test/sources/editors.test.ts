import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  link,
  open,
  readFile,
  rename,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { capability, needsRoot } from '../helpers/capability.ts'
import {
  configMapYaml,
  follow,
  followDirectory,
  temporaryDirectory,
  type Live,
} from './live.ts'

/*
 * How people's programs save. Each way is followed by all sources at once: as a manifest
 * DIR, as a manifest FILE, and as a plain directory whose files are keys. Of each: no edit
 * is lost, nothing is lost in between, nothing half-written is published, nobody is told of a
 * mistake that nobody made.
 */

const run = promisify(execFile)
const vim = ['vim', 'vim.tiny'].find(name => capability(name) === false)

const padding = { p1: 'x'.repeat(3000), p2: 'y'.repeat(3000) }
const text = (value: string): string =>
  configMapYaml('cm', { k: value, ...padding })
/** The line of `text` that an editor changes. */
const lineOf = (value: string): string => `  k: "${value}"`
const lineNumber = text('').split('\n').indexOf(lineOf('')) + 1

interface Save {
  readonly times: number
  readonly skip?: string | false
  /** Makes `text(value)` the content of the file. */
  save: (path: string, value: string) => Promise<unknown>
}

function sh(script: string, ...args: string[]): Promise<unknown> {
  return run('sh', ['-ec', script, 'sh', ...args])
}

async function write(path: string, content: string, flush = false) {
  const file = await open(path, 'w')
  await file.writeFile(content)
  if (flush) await file.datasync()
  await file.close()
}

/** What vim does with the file, typed into a terminal as a person does. */
function vimSave(...settings: string[]): Pick<Save, 'save' | 'skip'> {
  return {
    skip: vim === undefined && 'needs vim',
    save: (path, value) =>
      run(vim ?? '', [
        '-N',
        '-u',
        'NONE',
        '-es',
        ...settings.flatMap(setting => ['-c', `set ${setting}`]),
        '-c',
        `${lineNumber}s/.*/${lineOf(value)}/`,
        '-c',
        'wq',
        path,
      ]),
  }
}

/** nano wants a terminal: script(1) gives it one. */
async function nanoSave(flags: string[], path: string, value: string) {
  const child = spawn(
    'script',
    [
      '-qec',
      `nano --ignorercfiles ${flags.join(' ')} +${lineNumber},1 '${path}'`,
      '/dev/null',
    ],
    {
      env: { ...process.env, TERM: 'xterm' },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  // Its last line of help: from now on it reads what is typed.
  let screen = ''
  while (!screen.includes('Exit')) {
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
    screen += chunk.toString()
  }
  child.stdout.resume()
  // Cut the line, type the new one, write, confirm the name, leave.
  child.stdin.write(`\x0b${lineOf(value)}\r\x0f\r\x18`)
  await once(child, 'close')
}

const saves: Readonly<Record<string, Save>> = {
  'vim, backupcopy=no': {
    times: 8,
    ...vimSave('backupcopy=no', 'writebackup'),
  },
  'vim, backupcopy=yes': {
    times: 8,
    ...vimSave('backupcopy=yes', 'writebackup'),
  },
  'vim, backupcopy=auto, with a backup that stays and a swap file': {
    times: 8,
    ...vimSave('backupcopy=auto', 'backup', 'swapfile'),
  },
  'vim, nowritebackup': { times: 8, ...vimSave('nobackup', 'nowritebackup') },
  nano: {
    times: 4,
    skip: capability('nano'),
    save: (path, value) => nanoSave([], path, value),
  },
  'nano --backup': {
    times: 4,
    skip: capability('nano'),
    save: (path, value) => nanoSave(['--backup'], path, value),
  },
  'nano, locking': {
    times: 4,
    skip: capability('nano'),
    save: (path, value) => nanoSave(['--locking'], path, value),
  },
  // platform/files/node/diskFileSystemProvider: open O_TRUNC, write, fdatasync, close.
  'VS Code': {
    times: 30,
    save: (path, value) => write(path, text(value), true),
  },
  // The same into NAME.vsctmp, then rename.
  'VS Code, atomic': {
    times: 30,
    save: async (path, value) => {
      await write(`${path}.vsctmp`, text(value), true)
      await rename(`${path}.vsctmp`, path)
    },
  },
  // A lock link, an auto-save, the old file away, a new one, its mode, and all cleared up.
  emacs: {
    times: 30,
    save: async (path, value) => {
      const [lock, autoSave] = [
        path.replace(/[^/]*$/, '.#$&'),
        path.replace(/[^/]*$/, '#$&#'),
      ]
      await symlink('user@host.1234:1700000000', lock)
      await write(autoSave, text(value).slice(0, 100))
      await rename(path, `${path}~`)
      await write(path, text(value), true)
      await chmod(path, 0o644)
      await unlink(lock)
      await unlink(autoSave)
    },
  },
  'emacs, backup-by-copying': {
    times: 30,
    save: async (path, value) => {
      await writeFile(`${path}~`, await readFile(path))
      await write(path, text(value), true)
    },
  },
  'JetBrains, safe write': {
    times: 30,
    save: async (path, value) => {
      await write(`${path}___jb_tmp___`, text(value))
      await rename(path, `${path}___jb_old___`)
      await rename(`${path}___jb_tmp___`, path)
      await unlink(`${path}___jb_old___`)
    },
  },
  'gedit, and all of glib': {
    times: 30,
    save: async (path, value) => {
      const temporary = path.replace(/[^/]*$/, '.goutputstream-K3Q1F2')
      await write(temporary, text(value), true)
      await rename(temporary, path)
    },
  },
  'sed -i': {
    times: 20,
    save: (path, value) =>
      run('sed', ['-i', `${lineNumber}s/.*/${lineOf(value)}/`, path]),
  },
  'perl -i': {
    times: 10,
    save: (path, value) =>
      run('perl', ['-i', '-pe', `s/^  k: .*/  k: "${value}"/`, path]),
  },
  cp: {
    times: 30,
    save: async (path, value) => {
      await writeFile(`${path}.next`, text(value))
      await run('cp', [`${path}.next`, path])
      await unlink(`${path}.next`)
    },
  },
  'mv from elsewhere': {
    times: 20,
    save: async (path, value) => {
      const elsewhere = join(path, '../../elsewhere.yaml')
      await writeFile(elsewhere, text(value))
      await run('mv', [elsewhere, path])
    },
  },
  tee: {
    times: 20,
    save: (path, value) =>
      sh('printf %s "$2" | tee "$1" >/dev/null', path, text(value)),
  },
  rsync: {
    times: 10,
    skip: capability('rsync'),
    save: (path, value) => rsync([], path, value),
  },
  'rsync --inplace': {
    times: 10,
    skip: capability('rsync'),
    save: (path, value) => rsync(['--inplace'], path, value),
  },
  'rsync --delay-updates': {
    times: 10,
    skip: capability('rsync'),
    save: (path, value) => rsync(['--delay-updates'], path, value),
  },
  'rsync --times to the same size and time': {
    times: 10,
    skip: capability('rsync'),
    save: (path, value) =>
      rsync(
        ['--times', '--ignore-times'],
        path,
        value,
        'touch -d @1700000000 "$1"',
      ),
  },
  'a generator: emptied at once, written 300 ms later': {
    times: 3,
    save: (path, value) =>
      sh('{ sleep 0.3; printf %s "$2"; } > "$1"', path, text(value)),
  },
  'unreadable for a moment while it is written': {
    times: 10,
    skip: needsRoot('file'),
    save: async (path, value) => {
      await chmod(path, 0)
      await write(path, text(value))
      await chmod(path, 0o644)
    },
  },
  'through another hard link': {
    times: 3,
    save: async (path, value) => {
      await link(path, `${path}.other`)
      await write(`${path}.other`, text(value))
      await unlink(`${path}.other`)
    },
  },
  'a hard link in its place': {
    times: 20,
    save: async (path, value) => {
      const store = join(path, '../../store')
      await write(store, text(value))
      await link(store, `${path}~`)
      await rename(`${path}~`, path)
      await unlink(store)
    },
  },
  'a socket and a named pipe in its place for a moment': {
    times: 10,
    save: async (path, value) => {
      await unlink(path)
      await run('mkfifo', [path])
      await unlink(path)
      await write(path, text(value))
    },
  },
  'a directory of the same name for a moment': {
    times: 10,
    save: async (path, value) => {
      await sh('rm "$1"; mkdir "$1"; rmdir "$1"', path)
      await write(path, text(value))
    },
  },
}

async function rsync(
  flags: string[],
  path: string,
  value: string,
  before = ':',
): Promise<void> {
  const source = join(path, '../../from/app.yaml')
  await sh('mkdir -p "${1%/*}"; printf %s "$2" > "$1"', source, text(value))
  await sh(before, source)
  await run('rsync', [
    '--recursive',
    '--whole-file',
    '--ignore-times',
    ...flags,
    `${join(source, '..')}/`,
    `${join(path, '..')}/`,
  ])
}

/** What this follower has seen of the file: `undefined` where it had none. */
interface Follower {
  readonly live: Live
  readonly current: () => string | undefined
  readonly seen: (string | undefined)[]
}

function watchValues(live: Live, current: () => string | undefined): Follower {
  const seen = [current()]
  live.store.watch(() => seen.push(current()))
  return { live, current, seen }
}

for (const [name, { times, save, skip = false }] of Object.entries(saves)) {
  t.test(`${name}: ${times} saves`, { skip }, async t => {
    const directory = join(await temporaryDirectory(t), 'dir')
    await run('mkdir', [directory])
    const path = join(directory, 'app.yaml')
    await writeFile(path, text('v'))
    await writeFile(join(directory, 'other.yaml'), configMapYaml('other', {}))
    const whole = (live: Live) => () => {
      const data = live.store.get('ConfigMap', 'default', 'cm')?.data
      const value = data?.get('k')
      const complete = data?.get('p1') === padding.p1 && data.size === 3
      return data === undefined || complete ? value : 'a part of it'
    }
    const asFile = await follow(t, [path])
    const asDirectory = await follow(t, [directory])
    const asKeys = await followDirectory(t, directory)
    const followers: Readonly<Record<string, Follower>> = {
      'manifest FILE': watchValues(asFile, whole(asFile)),
      'manifest DIR': watchValues(asDirectory, whole(asDirectory)),
      'keys of a DIR': watchValues(asKeys, () => {
        const content = asKeys.value('cm', 'app.yaml')
        const value = /^  k: "(.*)"$/m.exec(content ?? '')?.[1]
        if (content === undefined || value === undefined) return content
        return content === text(value) ? value : 'a part of it'
      }),
    }
    const versions = ['v']
    for (let i = 1; i <= times; i++) {
      const value = `v${i % 10}${i}`
      versions.push(value)
      await save(path, value)
      for (const [which, { live, current }] of Object.entries(followers))
        await live.until(() => current() === value, `${which}, save ${i}`)
    }
    for (const [which, { live, seen }] of Object.entries(followers)) {
      const order = seen.map(value => versions.indexOf(value ?? ''))
      t.same(
        seen.filter(value => !versions.includes(value ?? '')),
        [],
        `${which}: whole at each time`,
      )
      t.same(
        order,
        [...order].sort((a, b) => a - b),
        `${which}: never an older one again`,
      )
      t.same(live.deleted, [], `${which}: never lost in between`)
      t.same(live.lines, [], `${which}: no mistake told`)
    }
    t.ok(asKeys.value('cm', 'other.yaml'), 'its neighbour is still there')
  })
}
