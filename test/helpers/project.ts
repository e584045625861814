import type {
  ClusterTrustBundle,
  ConfigMap,
  Pod,
  Secret,
  Volume,
  VolumeProjection,
} from '../../src/api/types.ts'
import {
  collectPayload,
  type ProjectionResult,
} from '../../src/projection/projection.ts'
import { makeConfigMap, makeNode, makePod, makeSecret } from './make-objects.ts'

/*
 * A world of one Secret `s` and one ConfigMap `c` to project volumes in.
 */

export const secret = makeSecret({
  name: 's',
  data: { 'data-1': 'value-1', 'data-2': 'value-2' },
})
const configMap = makeConfigMap({
  name: 'c',
  data: { 'data-1': 'value-1', 'data-2': 'value-2' },
  binaryData: {
    'dump.bin': Uint8Array.of(0xde, 0xca, 0xfe, 0xba, 0xd0, 0xfe, 0xff),
  },
})

export interface World {
  readonly pod?: Pod
  readonly secrets?: readonly Secret[]
  readonly configMaps?: readonly ConfigMap[]
  readonly trustBundles?: readonly ClusterTrustBundle[]
  readonly token?: string | { message: string }
}

export function project(volume: Volume, world: World = {}): ProjectionResult {
  const { secrets = [secret], configMaps = [configMap] } = world
  return collectPayload({
    volume,
    pod: world.pod ?? makePod({ spec: { volumes: [volume] } }),
    node: makeNode(),
    secret: name => secrets.find(({ metadata }) => metadata.name === name),
    configMap: name =>
      configMaps.find(({ metadata }) => metadata.name === name),
    trustBundles: () => world.trustBundles ?? [],
    token: () => world.token ?? 'a.b.c',
  })
}

const defaults = { defaultMode: 0o644, optional: false }
export const projected = (
  sources: readonly VolumeProjection[],
  defaultMode = 0o644,
): Volume => ({ name: 'v', projected: { sources, defaultMode } })
export const ofSecret = (rest: object = {}): Volume => ({
  name: 'v',
  secret: { secretName: 's', ...defaults, ...rest },
})
export const ofConfigMap = (rest: object = {}): Volume => ({
  name: 'v',
  configMap: { name: 'c', ...defaults, ...rest },
})
export const tokenSource = { path: 'token', expirationSeconds: 600 }
export const podName = {
  path: 'podname',
  fieldRef: { fieldPath: 'metadata.name' },
}
