import type { Pod } from '../api/types.ts'
import { isManagedVolume } from '../projection/projection.ts'
import { DirectorySource } from '../sources/keys/directory-source.ts'
import type { Store } from '../store/store.ts'
import { Failure } from '../util/failure.ts'
import { podAroundObject } from '../volumes/pod-volumes.ts'
import { choosePod } from '../pods/choose-pods.ts'
import type { Cleanup } from '../session/cleanup.ts'
import { loneVolume, type MountTarget } from './mount-target.ts'
import { rootOf } from '../sources/rendered/rendering.ts'
import {
  noSuch,
  readManifests,
  type SessionOptions,
} from '../session/session.ts'

interface SourceRequest extends SessionOptions {
  readonly target: MountTarget
}

/** The volumes to serve, and the Pod that they are volumes of. */
export interface ChosenVolumes {
  readonly pod: Pod
  /** Whose volume it is, when the Pod is only made for it. */
  readonly object?: {
    readonly kind: 'ConfigMap' | 'Secret'
    readonly name: string
  }
  readonly only: readonly string[]
}

/**
 * Reads the sources and finds in them what is to be served. Throws a usage Failure when it is
 * not there.
 */
export async function chooseVolumes(
  request: SourceRequest,
  store: Store,
  cleanup: Cleanup,
): Promise<ChosenVolumes> {
  const { target, namespace } = request
  if (target.kind === 'directory') {
    const { clock, identities, report, onMended } = request
    const source = new DirectorySource({
      clock,
      namespace,
      identities,
      report,
      onMended,
      directory: target.directory,
      kind: 'ConfigMap',
      name: 'directory',
      store,
    })
    await source.start()
    cleanup.add('source', () => source.close())
    return aroundObject(target.directory, namespace, {
      kind: 'ConfigMap',
      name: 'directory',
    })
  }
  const source = await readManifests(request, store)
  cleanup.add('source', () => source.close())
  if (target.kind === 'pod')
    return volumesOfPod(
      choosePod(store, namespace, target.choice),
      target.volume,
      request,
    )

  const { name } = target
  const kind = target.kind === 'secret' ? 'Secret' : 'ConfigMap'
  const existing = store
    .list(kind, namespace)
    .map(({ metadata }) => metadata.name)
  if (!existing.includes(name))
    throw noSuch(`no ${kind} ${namespace}/${name}`, name, existing)
  const [rendering] = request.renderings
  return aroundObject(
    request.paths[0] ?? (rendering === undefined ? '-' : rootOf(rendering)),
    namespace,
    { kind, name },
  )
}

function aroundObject(
  origin: string,
  namespace: string,
  object: NonNullable<ChosenVolumes['object']>,
): ChosenVolumes {
  const position = { path: origin, line: 1, column: 1 }
  return {
    pod: podAroundObject({
      name: 'podfs-mount',
      namespace,
      volume: loneVolume,
      object,
      source: { ...position, positionOf: () => position },
    }),
    object,
    only: [loneVolume],
  }
}

function volumesOfPod(
  pod: Pod,
  volume: string | undefined,
  request: SourceRequest,
): ChosenVolumes {
  const { metadata, spec } = pod
  const managed = spec.volumes.filter(isManagedVolume).map(({ name }) => name)
  const podName = `${metadata.namespace}/${metadata.name}`
  if (volume !== undefined) {
    if (managed.includes(volume)) return { pod, only: [volume] }
    if (spec.volumes.some(({ name }) => name === volume))
      throw new Failure(
        'usage',
        `volume "${volume}" of Pod ${podName} is an emptyDir, a hostPath or a claim: there is nothing to serve`,
      )
    throw noSuch(
      `Pod ${podName} has no volume ${JSON.stringify(volume)}`,
      volume,
      managed,
    )
  }
  if (managed.length === 0)
    throw new Failure(
      'usage',
      `Pod ${podName} has no Secret, ConfigMap, downwardAPI or projected volume`,
    )
  spec.volumes.forEach(({ name }, index) => {
    const fieldPath = `spec.volumes[${index}]`
    if (!managed.includes(name))
      request.report({
        treatment: 'warning',
        position: pod.source.positionOf(fieldPath),
        object: {
          kind: 'Pod',
          namespace: metadata.namespace,
          name: metadata.name,
        },
        fieldPath,
        message: `volume "${name}" is an emptyDir, a hostPath or a claim: left out`,
      })
  })
  return { pod, only: managed }
}
