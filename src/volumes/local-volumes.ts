import { chmod, chown, mkdir, open, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type {
  EmptyDirVolumeSource,
  HostPathVolumeSource,
} from '../api/types.ts'
import { dns1123Subdomain } from '../api/validation/names.ts'
import { mountTmpfs } from '../fuse/mount/tmpfs-mount.ts'
import { giveToGroup } from './give-to-group.ts'
import type { Logger } from '../util/logger.ts'

export interface EmptyDirOptions {
  /** For this Pod alone: of the disk, and of mounts. Made if absent. */
  readonly diskDirectory: string
  readonly mountDirectory: string
  readonly name: string
  readonly fsGroup?: number
  /** Of medium Memory, in bytes. */
  readonly memorySize: bigint
  readonly logger: Logger
}

export interface EmptyDir {
  readonly path: string
  remove(): Promise<void>
}

/**
 * Makes an emptyDir: mode 0777 (medium Memory: a tmpfs, 1777), with fsGroup setgid and that
 * group (kubernetes pkg/volume/emptydir/empty_dir.go; measured on a real kubelet). `remove`
 * is the caller's duty at the end of the Pod; the tmpfs also goes when podfs is killed.
 */
export async function createEmptyDir(
  { medium }: EmptyDirVolumeSource,
  options: EmptyDirOptions,
): Promise<EmptyDir> {
  if (medium !== '' && medium !== 'Memory')
    throw new Error(`unknown storage medium ${JSON.stringify(medium)}`)
  const made =
    medium === 'Memory' ? await onTmpfs(options) : await onDisk(options)
  const { fsGroup } = options
  if (fsGroup !== undefined) await chown(made.path, -1, fsGroup)
  const setgid = fsGroup === undefined ? 0 : 0o2000
  await chmod(made.path, (medium === 'Memory' ? 0o1777 : 0o777) | setgid)
  return made
}

async function onDisk({
  diskDirectory,
  name,
}: EmptyDirOptions): Promise<EmptyDir> {
  const root = path.join(diskDirectory, name)
  await mkdir(root, { recursive: true })
  return {
    path: root,
    remove: () => rm(root, { recursive: true, force: true }),
  }
}

async function onTmpfs(options: EmptyDirOptions): Promise<EmptyDir> {
  const directory = path.join(options.mountDirectory, options.name)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const mount = await mountTmpfs({
    directory,
    allowOther: true,
    lifetime: 'run',
    size: options.memorySize,
    logger: options.logger,
  })
  return { path: path.join(directory, 'rw'), remove: () => mount.stop() }
}

export interface ClaimOptions {
  /** Of all claims; made if absent. */
  readonly directory: string
  readonly namespace: string
  readonly fsGroup?: number
  readonly fsGroupChangePolicy?: string
}

/**
 * The directory that stands for a claim: made when it is first asked for, and kept. Whoever
 * names the claim in that namespace has the same one. Its mode is a local provisioner's; with
 * fsGroup what is in it is that group's, as its policy says, each time it is asked for.
 * Throws, as a kubelet, for a claim that cannot exist.
 */
export async function openClaim(
  claimName: string,
  { directory, namespace, fsGroup, fsGroupChangePolicy }: ClaimOptions,
): Promise<string> {
  // A name with a slash would lead out of the directory.
  if (dns1123Subdomain(claimName).length > 0)
    throw new Error(
      `persistentvolumeclaim ${JSON.stringify(claimName)} not found`,
    )
  const claim = path.join(directory, namespace, claimName)
  const isNew = (await mkdir(claim, { recursive: true })) !== undefined
  if (isNew) await chmod(claim, 0o777)
  if (fsGroup !== undefined)
    await giveToGroup(claim, fsGroup, fsGroupChangePolicy)
  return claim
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
