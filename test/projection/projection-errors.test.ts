import t from 'tap'
import type { Volume } from '../../src/api/types.ts'
import { makePod } from '../helpers/make-objects.ts'
import {
  ofConfigMap,
  ofSecret,
  project,
  projected,
  tokenSource,
  type World,
} from '../helpers/project.ts'

const errors: readonly {
  name: string
  volume: Volume
  world?: World
  errors: readonly [code: string, fieldPath: string, message: string][]
}[] = [
  {
    name: 'C53 a missing ConfigMap',
    volume: ofConfigMap({ name: 'y' }),
    errors: [
      [
        'PROJECTION_CONFIGMAP_NOT_FOUND',
        'spec.volumes[1].configMap.name',
        'configmap "y" not found',
      ],
    ],
  },
  {
    name: 'C64 a missing Secret',
    volume: ofSecret({ secretName: 'y' }),
    errors: [
      [
        'PROJECTION_SECRET_NOT_FOUND',
        'spec.volumes[1].secret.secretName',
        'secret "y" not found',
      ],
    ],
  },
  {
    name: 'C54 a missing key of a ConfigMap: the first is named',
    volume: ofConfigMap({
      items: [
        { key: 'data-1', path: 'a' },
        { key: 'data-4', path: 'b' },
        { key: 'data-5', path: 'c' },
      ],
    }),
    errors: [
      [
        'PROJECTION_KEY_NOT_FOUND',
        'spec.volumes[1].configMap.items[1].key',
        'configmap references non-existent config key: data-4',
      ],
    ],
  },
  {
    name: 'C65 a missing key of a Secret',
    volume: ofSecret({ items: [{ key: 'k', path: 'b' }] }),
    errors: [
      [
        'PROJECTION_KEY_NOT_FOUND',
        'spec.volumes[1].secret.items[0].key',
        'references non-existent secret key: k',
      ],
    ],
  },
  {
    name: 'C14 C15 C24 C25 every source of a projected volume, in order (6.11)',
    volume: projected([
      { secret: { name: 'nope', optional: false } },
      { secret: { name: 'forgiven', optional: true } },
      { configMap: { name: 'c', optional: false } },
      { configMap: { name: 'nope2', optional: false } },
      {
        configMap: {
          name: 'c',
          items: [{ key: 'k', path: 'k' }],
          optional: false,
        },
      },
      { serviceAccountToken: tokenSource },
      {
        downwardAPI: {
          items: [
            { path: 'a', fieldRef: { fieldPath: 'spec.nodeName' } },
            {
              path: 'b',
              resourceFieldRef: { containerName: 'x', resource: 'limits.cpu' },
            },
            {
              path: 'c',
              resourceFieldRef: { containerName: 'main', resource: 'gpu' },
            },
          ],
        },
      },
    ]),
    world: { token: { message: 'no issuer' } },
    errors: [
      [
        'PROJECTION_SECRET_NOT_FOUND',
        'spec.volumes[1].projected.sources[0].secret.name',
        'secret "nope" not found',
      ],
      [
        'PROJECTION_CONFIGMAP_NOT_FOUND',
        'spec.volumes[1].projected.sources[3].configMap.name',
        'configmap "nope2" not found',
      ],
      [
        'PROJECTION_KEY_NOT_FOUND',
        'spec.volumes[1].projected.sources[4].configMap.items[0].key',
        'configmap references non-existent config key: k',
      ],
      [
        'PROJECTION_TOKEN_UNAVAILABLE',
        'spec.volumes[1].projected.sources[5].serviceAccountToken',
        'no issuer',
      ],
      [
        'PROJECTION_FIELD_UNSUPPORTED',
        'spec.volumes[1].projected.sources[6].downwardAPI.items[0].fieldRef.fieldPath',
        'unsupported fieldPath: spec.nodeName',
      ],
      [
        'PROJECTION_CONTAINER_NOT_FOUND',
        'spec.volumes[1].projected.sources[6].downwardAPI.items[1].resourceFieldRef.containerName',
        'container x not found',
      ],
      [
        'PROJECTION_RESOURCE_INVALID',
        'spec.volumes[1].projected.sources[6].downwardAPI.items[2].resourceFieldRef.resource',
        'unsupported container resource : gpu',
      ],
    ],
  },
]
for (const { name, volume, world, errors: expected } of errors)
  t.test(name, async t => {
    const pod = makePod({
      spec: { volumes: [{ ...volume, name: 'other' }, volume] },
    })
    t.strictSame(project(volume, { pod, ...world }), {
      ok: false,
      hidden: [],
      errors: expected.map(([code, fieldPath, message]) => ({
        code,
        fieldPath,
        message,
      })),
    })
  })
