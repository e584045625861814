import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rm,
  stat,
  statfs,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type {
  EmptyDirVolumeSource,
  HostPathVolumeSource,
} from '../api/types.ts'

/** Before the pid of the podfs that made it, so that another one can tell that it is dead. */
const memoryPrefix = 'podfs-emptydir-'

/** statfs(2), f_type. */
const TMPFS_MAGIC = 0x01021994

/**
 * Makes an emptyDir: mode 0777 (medium Memory: 1777), with fsGroup setgid and that group
 * (kubernetes pkg/volume/emptydir/empty_dir.go; measured on a real kubelet).
 *
 * Medium Memory lives on the machine's own tmpfs, so there is no mount that could be left
 * behind; `remove` is the caller's duty at the end of the Pod.
 */
export async function createEmptyDir(
  source: EmptyDirVolumeSource,
  options: {
    readonly directory: string
    readonly name: string
    readonly fsGroup?: number
  },
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const memory = source.medium === 'Memory'
  const root = memory
    ? await mkdtemp(
        path.join(
          await tmpfsDirectory(),
          `${memoryPrefix}${process.pid}-${options.name}-`,
        ),
      )
    : path.join(options.directory, options.name)
  if (!memory) await mkdir(root, { recursive: true })
  if (options.fsGroup !== undefined) await chown(root, -1, options.fsGroup)
  const setgid = options.fsGroup === undefined ? 0 : 0o2000
  await chmod(root, (memory ? 0o1777 : 0o777) | setgid)
  return {
    path: root,
    remove: () => rm(root, { recursive: true, force: true }),
  }
}

/** Removes the emptyDirs of medium Memory that killed processes have left. */
export async function removeAbandonedEmptyDirs(
  isAlive: (pid: number) => Promise<boolean>,
): Promise<void> {
  const directory = await tmpfsDirectory()
  for (const name of await readdir(directory)) {
    const pid = name.startsWith(memoryPrefix)
      ? Number.parseInt(name.slice(memoryPrefix.length), 10)
      : Number.NaN
    if (Number.isNaN(pid) || (await isAlive(pid))) continue
    // /dev/shm is everybody's: only what is this user's own.
    const { uid } = await lstat(path.join(directory, name))
    if (uid === process.getuid?.())
      await rm(path.join(directory, name), { recursive: true, force: true })
  }
}

async function tmpfsDirectory(): Promise<string> {
  for (const candidate of ['/dev/shm', tmpdir()])
    try {
      if ((await statfs(candidate)).type === TMPFS_MAGIC) return candidate
    } catch {
      // Not there: the next one.
    }
  throw new Error('medium Memory needs a tmpfs at /dev/shm')
}

/**
 * Checks a hostPath against its type, and makes what `DirectoryOrCreate` and `FileOrCreate`
 * allow to make. The words are the kubelet's (pkg/volume/hostpath/host_path.go).
 */
export async function checkHostPath(
  source: HostPathVolumeSource,
): Promise<string> {
  const { path: hostPath, type } = source
  const fail = (what: string): never => {
    throw new Error(`hostPath type check failed: ${hostPath} is not ${what}`)
  }
  if (type === 'DirectoryOrCreate' || type === 'FileOrCreate')
    await createMissing(hostPath, type)
  const found = await stat(hostPath).catch(() => undefined)
  switch (type) {
    case '':
      if (found === undefined)
        throw new Error(`hostPath ${hostPath} does not exist on this machine`)
      break
    case 'Directory':
    case 'DirectoryOrCreate':
      if (found?.isDirectory() !== true) fail('a directory')
      break
    case 'File':
    case 'FileOrCreate':
      if (found?.isFile() !== true) fail('a file')
      break
    case 'Socket':
      if (found?.isSocket() !== true) fail('a socket file')
      break
    case 'CharDevice':
      if (found?.isCharacterDevice() !== true) fail('a character device')
      break
    case 'BlockDevice':
      if (found?.isBlockDevice() !== true) fail('a block device')
      break
  }
  return hostPath
}

async function createMissing(
  hostPath: string,
  type: 'DirectoryOrCreate' | 'FileOrCreate',
): Promise<void> {
  if ((await stat(hostPath).catch(() => undefined)) !== undefined) return
  if (type === 'DirectoryOrCreate')
    await mkdir(hostPath, { recursive: true, mode: 0o755 })
  // As the kubelet, a file is made only in a directory that exists.
  else await (await open(hostPath, 'wx', 0o644)).close()
}
