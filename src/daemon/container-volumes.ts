import type { NodeInfo, Pod, Volume } from '../api/types.ts'
import { isManagedVolume } from '../projection/projection.ts'
import type { ContainerVolume } from '../runner/launch.ts'
import type { Logger } from '../util/logger.ts'
import { checkHostPath, createEmptyDir } from '../volumes/local-volumes.ts'
import { emptyDirMemorySize } from '../volumes/memory-size.ts'
import type { Cleanup } from './cleanup.ts'
import type { RenewedMount } from './renewed-mount.ts'
import type { ServedVolumes } from './served-volumes.ts'

interface VolumeProviderOptions {
  readonly pod: Pod
  readonly published: Promise<{
    readonly mount: RenewedMount
    readonly volumes: ServedVolumes
  }>
  /** For what is made for this Pod alone, and for mounts of its own. */
  readonly diskDirectory: string
  readonly mountDirectory: string
  readonly node: NodeInfo
  readonly logger: Logger
  readonly cleanup: Cleanup
}

/** Where each of the Pod's volumes lies on the host, made when the first container wants it. */
export function volumeProvider(
  options: VolumeProviderOptions,
): (name: string) => Promise<ContainerVolume> {
  const made = new Map<string, Promise<ContainerVolume>>()
  return async name => {
    const volume = options.pod.spec.volumes.find(v => v.name === name)
    if (volume === undefined) throw new Error(`no volume "${name}"`)
    const promise = made.get(name) ?? provide(volume, options)
    made.set(name, promise)
    try {
      return await promise
    } catch (error) {
      // The next container start looks again: a hostPath may have appeared meanwhile.
      made.delete(name)
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
    const { mount, volumes } = await options.published
    await volumes.published(volume.name)
    const current = (): Promise<string> => volumes.pathOf(volume.name)
    return {
      path: await current(),
      readOnly: true,
      recursive: false,
      // Where a lost mount is replaced, volumes may change their place.
      ...(mount.isRenewable ? { current } : {}),
    }
  }
  if (volume.hostPath !== undefined)
    return {
      path: await checkHostPath(volume.hostPath),
      readOnly: false,
      recursive: true,
    }
  const { fsGroup } = pod.spec.securityContext
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
