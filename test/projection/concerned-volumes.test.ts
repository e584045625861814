import t from 'tap'
import type { KubeObject, VolumeProjection } from '../../src/api/types.ts'
import { objectsReferenced } from '../../src/projection/projection.ts'
import { keysOfChange, referenceKey } from '../../src/projection/source-kind.ts'
import {
  makeConfigMap,
  makeSecret,
  makeTrustBundle,
} from '../helpers/make-objects.ts'
import { projected, tokenSource } from '../helpers/project.ts'

/** Whether a volume of a Pod in the namespace `default` has to look again. */
function concerns(object: KubeObject, source: VolumeProjection): boolean {
  const keys = objectsReferenced(projected([source])).map(reference =>
    referenceKey(reference, 'default'),
  )
  return keysOfChange(object).some(key => keys.includes(key))
}

const item = { name: 'x', optional: false }
const bundle = makeTrustBundle({ name: 'x', trustBundle: '' })

const rows: readonly [string, KubeObject, VolumeProjection, boolean][] = [
  ['its Secret', makeSecret({ name: 'x' }), { secret: item }, true],
  ['its ConfigMap', makeConfigMap({ name: 'x' }), { configMap: item }, true],
  ['another name', makeSecret({ name: 'y' }), { secret: item }, false],
  ['another kind', makeSecret({ name: 'x' }), { configMap: item }, false],
  [
    'another namespace',
    makeSecret({ name: 'x', namespace: 'other' }),
    { secret: item },
    false,
  ],
  [
    'a trust bundle, which is in no namespace',
    bundle,
    { clusterTrustBundle: { name: 'x', path: 'ca' } },
    true,
  ],
  [
    'a trust bundle of another name',
    bundle,
    { clusterTrustBundle: { name: 'y', path: 'ca' } },
    false,
  ],
  [
    'any trust bundle, where a selector chooses',
    bundle,
    { clusterTrustBundle: { signerName: 's', path: 'ca' } },
    true,
  ],
  [
    'not any Secret because of that',
    makeSecret({ name: 'x' }),
    { clusterTrustBundle: { signerName: 's', path: 'ca' } },
    false,
  ],
  [
    'a token is of no object',
    makeSecret({ name: 'token' }),
    { serviceAccountToken: tokenSource },
    false,
  ],
  ['a source of nothing', makeSecret({ name: 'x' }), {}, false],
]
for (const [name, object, source, expected] of rows)
  t.test(name, async t => t.equal(concerns(object, source), expected))
