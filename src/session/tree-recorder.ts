import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { ObjectKey } from '../api/object-key.ts'
import type { SessionRecord } from '../server/session-record.ts'
import type { Store } from '../store/store.ts'
import { placeKey } from '../volumes/object-directories.ts'
import type { TreeVolume } from '../volumes/object-volumes.ts'
import type { VolumeState } from '../volumes/published-volume.ts'
import type { VolumeControl } from '../volumes/volume-control.ts'
import {
  containerMountpoints,
  ownerAt,
  volumeRecorder,
} from './session-server.ts'

export interface TreeRecorderOptions {
  readonly record: SessionRecord
  readonly store: Store
  /** Where the tree is shown. */
  readonly root: string
}

interface RecordedVolume {
  readonly about: TreeVolume
  readonly tell: ReturnType<typeof volumeRecorder>
}

/**
 * Tells the session's record of the volumes of a tree. Those of a Pod can be read in its
 * containers, too, as long as it runs, whichever version of it runs.
 */
export class TreeRecorder {
  readonly #options: TreeRecorderOptions
  /** By their object, then by their path in the tree. */
  readonly #volumes = new Map<ObjectKey, Map<string, RecordedVolume>>()
  readonly #unwatch: () => void

  constructor(options: TreeRecorderOptions) {
    this.#options = options
    this.#unwatch = options.record.watch(change => {
      if (change.kind === 'pod') this.#lookAtMountpoints(change.key)
    })
  }

  close(): void {
    this.#unwatch()
  }

  volume(about: TreeVolume, state: VolumeState, control: VolumeControl): void {
    const key = placeKey(about.place)
    const volumes = this.#volumes.get(key) ?? new Map<string, RecordedVolume>()
    this.#volumes.set(key, volumes)
    const known = volumes.get(about.path)
    const tell = known?.tell ?? this.#recorderOf(about)
    volumes.set(about.path, { about, tell })
    tell(state, control)
  }

  volumeGone(about: TreeVolume): void {
    const key = placeKey(about.place)
    const volumes = this.#volumes.get(key)
    volumes?.delete(about.path)
    if (volumes?.size === 0) this.#volumes.delete(key)
    this.#options.record.volumeGone(recordedAs(about))
  }

  #lookAtMountpoints(pod: ObjectKey): void {
    const { record } = this.#options
    for (const { about } of this.#volumes.get(pod)?.values() ?? []) {
      const { namespace, pod, volume } = recordedAs(about)
      const recorded = record.findVolume(namespace, pod, volume)
      const mountpoints = this.#mountpoints(about)
      if (
        recorded !== undefined &&
        !isDeepStrictEqual(recorded.mountpoints, mountpoints)
      )
        record.volume({ ...recorded, mountpoints })
    }
  }

  #recorderOf(about: TreeVolume): RecordedVolume['tell'] {
    const { record, store } = this.#options
    const { namespace, pod, volume } = recordedAs(about)
    return volumeRecorder({
      record,
      owner: () => ownerAt(store, about.place.kind, about.place),
      namespace,
      pod,
      outlivesPod: true,
      name: volume,
      mountpoints: () => this.#mountpoints(about),
    })
  }

  #mountpoints({ place, name, path: relative }: TreeVolume): readonly string[] {
    const { record, root } = this.#options
    const running = record.pods.get(placeKey(place))
    return [
      path.join(root, relative),
      ...(running === undefined ? [] : containerMountpoints(running.pod, name)),
    ]
  }
}

/** What the API calls it: VOLUME of a Pod, else `configmap:NAME` or `secret:NAME`. */
function recordedAs({ place, name }: TreeVolume) {
  const { kind, namespace } = place
  return kind === 'Pod'
    ? { namespace, pod: place.name, volume: name }
    : { namespace, pod: '', volume: `${kind.toLowerCase()}:${name}` }
}
