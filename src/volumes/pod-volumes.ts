import type { Pod, Volume } from '../api/types.ts'
import { isManagedVolume } from '../projection/projection.ts'
import { keysOfChange } from '../projection/source-kind.ts'
import type { Store } from '../store/store.ts'
import { PublishedVolume, type PublishingOptions } from './published-volume.ts'
import { VolumeHistory } from './volume-history.ts'

/*
 * Desired against actual, for one Pod: its Pod object and the objects that its volumes name
 * are what is desired; the directories are what is actual. Each volume has one loop of its
 * own (published-volume.ts), so a slow or broken one holds up no other; this file only says
 * who has to look again.
 */

export interface PodVolumesOptions extends PublishingOptions {
  readonly pod: Pod
  /** Which of the Pod's managed volumes to publish; absent: all. */
  readonly only?: readonly string[]
  /** What a volume has shown before; absent: nothing. */
  readonly historyOf?: (volume: string) => VolumeHistory
}

/**
 * Keeps the managed volumes (Secret, ConfigMap, downward API, projected) of one Pod equal to
 * what the Pod asks for, from `start` to `close`.
 */
export class PodVolumes {
  readonly #volumes: ReadonlyMap<string, PublishedVolume>
  readonly #store: Store
  #pod: Pod
  #unsubscribe: () => void = () => {}

  constructor(options: PodVolumesOptions) {
    this.#pod = options.pod
    this.#store = options.store
    const managed = options.pod.spec.volumes.filter(
      volume =>
        isManagedVolume(volume) &&
        (options.only === undefined || options.only.includes(volume.name)),
    )
    this.#volumes = new Map(
      managed.map(volume => [
        volume.name,
        new PublishedVolume({
          ...options,
          volume,
          pod: () => this.#pod,
          history: options.historyOf?.(volume.name) ?? new VolumeHistory(),
        }),
      ]),
    )
  }

  start(): void {
    this.#unsubscribe = this.#store.watch(events => {
      const changed = new Set(
        events.flatMap(({ object }) => keysOfChange(object)),
      )
      for (const volume of this.#volumes.values())
        if (volume.references.some(reference => changed.has(reference)))
          volume.look()
    })
    for (const volume of this.#volumes.values()) volume.look()
  }

  get names(): readonly string[] {
    return [...this.#volumes.keys()]
  }

  /** What could be read by now. */
  get publishedNames(): readonly string[] {
    return [...this.#volumes]
      .filter(([, volume]) => volume.isPublished)
      .map(([name]) => name)
  }

  /**
   * Resolves when the volume has been published for the first time. It may wait for ever,
   * as a Pod does whose ConfigMap never comes.
   */
  async published(name: string): Promise<void> {
    await this.get(name).published
  }

  get(name: string): PublishedVolume {
    const volume = this.#volumes.get(name)
    if (volume === undefined) throw new Error(`no managed volume "${name}"`)
    return volume
  }

  async allPublished(): Promise<void> {
    await Promise.all([...this.#volumes.values()].map(v => v.published))
  }

  /** Labels and annotations may have changed. */
  updatePod(pod: Pod): void {
    this.#pod = pod
    for (const volume of this.#volumes.values()) volume.look()
  }

  /**
   * Not of a Pod that runs, whose volumes stay as it was started with: what the Pod says of them
   * now counts. One that it does not have any more stays as it was.
   */
  redefine(pod: Pod): void {
    this.#pod = pod
    for (const [name, published] of this.#volumes) {
      const now = pod.spec.volumes.find(volume => volume.name === name)
      if (now !== undefined && isManagedVolume(now)) published.redefine(now)
      else published.look()
    }
  }

  /** After this no volume is written to any more. */
  async close(): Promise<void> {
    this.#unsubscribe()
    await Promise.all([...this.#volumes.values()].map(v => v.close()))
  }
}

/** What `podfs mount DIR` and `--configmap`, `--secret` serve: a volume without a Pod of its own. */
export function podAroundObject(options: {
  readonly name: string
  readonly namespace: string
  /** The name of its only volume. */
  readonly volume: string
  readonly object: {
    readonly kind: 'ConfigMap' | 'Secret'
    readonly name: string
  }
  readonly source: Pod['source']
}): Pod {
  const { kind, name } = options.object
  const from = { defaultMode: 0o644, optional: false }
  const volume: Volume = {
    name: options.volume,
    ...(kind === 'Secret'
      ? { secret: { ...from, secretName: name } }
      : { configMap: { ...from, name } }),
  }
  return {
    kind: 'Pod',
    metadata: {
      name: options.name,
      namespace: options.namespace,
      uid: '',
      labels: new Map(),
      annotations: new Map(),
    },
    source: options.source,
    spec: {
      containers: [],
      initContainers: [],
      volumes: [volume],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      hostNetwork: false,
      hostAliases: [],
      setHostnameAsFQDN: false,
      serviceAccountName: 'default',
      securityContext: {},
    },
  }
}
