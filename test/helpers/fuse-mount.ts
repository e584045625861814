import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import {
  access,
  constants,
  mkdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import {
  type FuseMount,
  type FuseMountOptions,
  mountFuse,
} from '../../src/fuse/mount/mount.ts'
import { mountsBelow } from '../../src/linux/mountinfo.ts'
import { needsNamespace } from './capability.ts'
import { silentLogger } from '../../src/util/logger.ts'

const execFileAsync = promisify(execFile)

/** Why a test of real mounts cannot run here, or false. */
export async function cannotMount(): Promise<string | false> {
  const lack = needsNamespace()
  if (lack !== false) return lack
  return access('/dev/fuse', constants.R_OK | constants.W_OK).then(
    () => false,
    () => 'needs /dev/fuse',
  )
}

export interface TestMount {
  readonly mount: FuseMount
  /** RUNTIME/ID. */
  readonly directory: string
  /** A read-only bind of the whole mount. */
  readonly publicPath: string
  /** Everything of this test; nothing may be mounted below it at the end. */
  readonly root: string
}

/** A directory outside the project: no test may walk into a mount by accident. */
export function makeTemporaryDirectory(t: Test): string {
  const root = mkdtempSync(join(tmpdir(), 'podfs-test-'))
  chmodSync(root, 0o711) // other users may go through to the public path
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  return root
}

export async function mountForTest(
  t: Test,
  options: Partial<FuseMountOptions> = {},
): Promise<TestMount> {
  const root = makeTemporaryDirectory(t)
  const directory = join(root, 'runtime')
  const publicPath = join(root, 'public')
  await mkdir(directory, { mode: 0o700 })
  await mkdir(publicPath)
  const mount = await mountFuse({
    directory,
    allowOther: true,
    answerOpens: false,
    lifetime: 'run',
    logger: silentLogger,
    ...options,
  })
  t.teardown(async () => {
    await mount.stop()
    const left = await mountsBelow(root)
    if (left.length > 0)
      throw new Error(`still mounted: ${JSON.stringify(left)}`)
  })
  await mount.bind('', publicPath)
  return { mount, directory, publicPath, root }
}

/** A FUSE mount whose server is gone: its descriptor was closed at once. */
export async function deadMount(
  at: string,
  type = 'fuse.podfs',
): Promise<void> {
  const script = `exec 3<>/dev/fuse && mount -i -n -t ${type} -o fd=3,rootmode=40000,user_id=0,group_id=0 other "$0"`
  await once(spawn('sh', ['-c', script, at], { stdio: 'inherit' }), 'close')
}

/**
 * One update of a volume as the kubelet's AtomicWriter makes it: a new directory, one swap of
 * `..data`, the old directory removed. `directory` is on the mount.
 */
export async function swap(
  directory: string,
  round: number,
  keys: Readonly<Record<string, string>>,
): Promise<void> {
  const ts = `..2026_01_01_00_00_00.${round}`
  const old = await readlink(join(directory, '..data')).catch(() => undefined)
  await mkdir(join(directory, ts), { mode: 0o755 })
  for (const [name, value] of Object.entries(keys))
    await writeFile(join(directory, ts, name), value, { mode: 0o644 })
  await symlink(ts, join(directory, '..data_tmp'))
  await rename(join(directory, '..data_tmp'), join(directory, '..data'))
  for (const name of Object.keys(keys))
    if (old === undefined)
      await symlink(`..data/${name}`, join(directory, name))
  if (old !== undefined) await rm(join(directory, old), { recursive: true })
}

/**
 * Runs a script in another process of the same user; what it gives to `print` comes back. It
 * may use `fs`, `koffi` and `errno(() => ...)`, the code of what a call throws.
 */
export async function inOtherProcess(
  script: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const prelude = `
    const fs = require('node:fs'), koffi = require('koffi')
    const errno = run => { try { run(); return 'OK' } catch (e) { return e.code } }
    const print = value => fs.writeSync(1, JSON.stringify(value))
  `
  const { stdout } = await execFileAsync(
    process.execPath,
    ['-e', prelude + script],
    {
      env: { PATH: process.env['PATH'] ?? '', ...environment },
      timeout: 20_000,
    },
  )
  return JSON.parse(stdout)
}

/** A process in a mount namespace of its own, which copies every mount. Told by lines. */
export function spawnInForeignNamespace(script: string): ChildProcess {
  return spawn(
    'unshare',
    [
      // Who may not make one may in a user namespace.
      process.getuid?.() === 0 ? '-m' : '-Urm',
      '--propagation',
      'private',
      'sh',
      '-c',
      script,
    ],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
}

/** Polls: for facts that no event announces, such as another process's end. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  what: string,
  timeoutMs = 10_000,
): Promise<number> {
  const start = performance.now()
  for (;;) {
    const before = performance.now()
    if (await condition()) return performance.now() - start
    if (performance.now() - start > timeoutMs)
      throw new Error(`not within ${timeoutMs} ms: ${what}`)
    // What it waits for needs the processors, too.
    const pause = Math.min(Math.max(2, 9 * (performance.now() - before)), 250)
    await new Promise(resolve => setTimeout(resolve, pause))
  }
}

export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')
  // A zombie has ended.
  return stat !== '' && !/\) Z /.test(stat)
}

/** Resolves when another server than `pid` has admitted this process. */
export async function nextServer(
  mount: FuseMount,
  pid: number | undefined,
): Promise<number> {
  await until(
    () => mount.serverPid !== undefined && mount.serverPid !== pid,
    'a new server',
  )
  return mount.serverPid as number
}

/** The keeper's second server, when it has rehearsed and waits for its line. */
export async function standbyOf(mount: FuseMount): Promise<number> {
  let found = 0
  await until(async () => {
    const children = await readFile(
      `/proc/${mount.keeperPid}/task/${mount.keeperPid}/children`,
      'latin1',
    )
    for (const pid of children.trim().split(' ').map(Number)) {
      const words = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(
        () => '',
      )
      const waits = await readFile(`/proc/${pid}/wchan`, 'latin1').catch(
        () => '',
      )
      if (
        pid !== mount.serverPid &&
        words.includes('\0standby\0') &&
        /pipe|fifo/.test(waits)
      )
        found = pid
    }
    return found !== 0
  }, 'a standby')
  return found
}
