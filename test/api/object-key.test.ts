import t from 'tap'
import { keyOf } from '../../src/api/object-key.ts'
import {
  makeConfigMap,
  makePod,
  makeTrustBundle,
} from '../helpers/make-objects.ts'

t.test('no two objects have one key', async t => {
  const keys = [
    makePod({ name: 'x' }),
    makeConfigMap({ name: 'x' }),
    makeConfigMap({ name: 'y' }),
    makeConfigMap({ name: 'x', namespace: 'other' }),
    makeTrustBundle({ name: 'x', trustBundle: '' }),
  ].map(keyOf)
  t.equal(keys[0], 'Pod/default/x')
  t.equal(new Set(keys).size, keys.length)
})
