import type { NodeInfo, Pod, Volume } from '../api/types.ts'
import { isManagedVolume } from '../projection/projection.ts'
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
  const { pod, cleanup } = options
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
  if (volume.hostPath !== undefined)
    return {
      path: await checkHostPath(volume.hostPath),
      readOnly: false,
      recursive: true,
    }
  const { fsGroup } = pod.spec.securityContext
  if (volume.persistentVolumeClaim !== undefined) {
    const { claimName, readOnly } = volume.persistentVolumeClaim
    const { namespace } = pod.metadata
    const directory = await openClaim(claimName, {
      directory: options.claims,
      namespace,
      ...(fsGroup === undefined ? {} : { fsGroup }),
    })
    options.notice(`claim ${namespace}/${claimName} is kept in ${directory}`)
    return { path: directory, readOnly, recursive: false }
  }
  const source = volume.emptyDir ?? { medium: '' }
  const { allocatable } = options.node
  const emptyDir = await createEmptyDir(source, {
    ...options,
    name: volume.name,
    memorySize: emptyDirMemorySize(source, pod, allocatable),
    ...(fsGroup === undefined ? {} : { fsGroup }),
  })
  cleanup.add(`emptyDir ${volume.name}`, () => emptyDir.remove())
  return { path: emptyDir.path, readOnly: false, recursive: false }
}
