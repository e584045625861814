import type {
  NodeInfo,
  Pod,
  PodSecurityContext,
  Volume,
  VolumeKind,
} from '../api/types.ts'
import { isManagedVolume, type ManagedKind } from '../projection/projection.ts'
import type { ContainerVolume } from '../runner/launch/launch.ts'
import { mountFailure } from '../api/mount-failure.ts'
import type { Logger } from '../util/logger.ts'
import {
  checkHostPath,
  createEmptyDir,
  openClaim,
} from '../volumes/local-volumes.ts'
import { emptyDirMemorySize } from '../volumes/memory-size.ts'
import type { Cleanup } from '../session/cleanup.ts'

/** A volume that podfs publishes. */
export interface ManagedVolume {
  readonly path: string
  /** Should its mount be lost, it will be somewhere else. */
  readonly isRenewable: boolean
}

interface VolumeProviderOptions {
  readonly pod: Pod
  readonly managedVolume: (name: string) => Promise<ManagedVolume>
  /** For what is made for this Pod alone, and for mounts of its own. */
  readonly diskDirectory: string
  readonly mountDirectory: string
  /** Of the claims of all Pods that there have ever been. */
  readonly claims: string
  readonly notice: (text: string) => void
  /** Told once of each new reason why a volume cannot be made. */
  readonly failedMount: (fieldPath: string, message: string) => void
  readonly node: NodeInfo
  readonly logger: Logger
  readonly cleanup: Cleanup
}

/** Where each of the Pod's volumes lies on the host, made when the first container wants it. */
export function volumeProvider(
  options: VolumeProviderOptions,
): (name: string) => Promise<ContainerVolume> {
  const made = new Map<string, Promise<ContainerVolume>>()
  const told = new Map<string, string>()
  const { spec } = options.pod
  return async name => {
    const index = spec.volumes.findIndex(volume => volume.name === name)
    const volume = spec.volumes[index]
    if (volume === undefined) throw new Error(`no volume "${name}"`)
    const promise = made.get(name) ?? provide(volume, options)
    made.set(name, promise)
    try {
      return await promise
    } catch (error) {
      // The next container start looks again: a hostPath may have appeared meanwhile.
      made.delete(name)
      const message = mountFailure(name, (error as Error).message)
      if (told.get(name) !== message)
        options.failedMount(`spec.volumes[${index}]`, message)
      told.set(name, message)
      throw error
    }
  }
}

async function provide(
  volume: Volume,
  options: VolumeProviderOptions,
): Promise<ContainerVolume> {
  if (isManagedVolume(volume)) {
    const { name } = volume
    const { path, isRenewable } = await options.managedVolume(name)
    const current = async (): Promise<string> =>
      (await options.managedVolume(name)).path
    return {
      path,
      readOnly: true,
      recursive: false,
      // Where a lost mount is replaced, volumes may change their place.
      ...(isRenewable ? { current } : {}),
    }
  }
  for (const kind of Object.keys(directories) as LocalKind[]) {
    // By the type of the table each kind takes the source of its name.
    const provideOne = directories[kind] as Provide<unknown>
    const source = volume[kind]
    if (source !== undefined)
      return await provideOne(source, volume.name, options)
  }
  throw new TypeError(`volume ${volume.name} has no source`)
}

/** A volume that is a directory of this machine. */
type LocalKind = Exclude<VolumeKind, ManagedKind>

type Provide<Source> = (
  source: Source,
  name: string,
  options: VolumeProviderOptions,
) => Promise<ContainerVolume>

const directories: {
  readonly [Kind in LocalKind]: Provide<NonNullable<Volume[Kind]>>
} = {
  async hostPath(source) {
    const path = await checkHostPath(source)
    return { path, readOnly: false, recursive: true }
  },
  async persistentVolumeClaim({ claimName, readOnly }, _name, options) {
    const { namespace } = options.pod.metadata
    const directory = await openClaim(claimName, {
      directory: options.claims,
      namespace,
      // A volume that cannot be written stays as it is.
      ...(readOnly ? {} : fsGroupOf(options.pod)),
    })
    options.notice(`claim ${namespace}/${claimName} is kept in ${directory}`)
    return { path: directory, readOnly, recursive: false }
  },
  async emptyDir(source, name, options) {
    const { pod, node, cleanup } = options
    const { diskDirectory, mountDirectory, logger } = options
    const emptyDir = await createEmptyDir(source, {
      diskDirectory,
      mountDirectory,
      logger,
      name,
      memorySize: emptyDirMemorySize(source, pod, node.allocatable),
      ...fsGroupOf(pod),
    })
    cleanup.add(`emptyDir ${name}`, () => emptyDir.remove())
    return { path: emptyDir.path, readOnly: false, recursive: false }
  },
}

function fsGroupOf({
  spec,
}: Pod): Pick<PodSecurityContext, 'fsGroup' | 'fsGroupChangePolicy'> {
  const { fsGroup, fsGroupChangePolicy } = spec.securityContext
  return {
    ...(fsGroup !== undefined && { fsGroup }),
    ...(fsGroupChangePolicy !== undefined && { fsGroupChangePolicy }),
  }
}
