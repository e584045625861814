import t from 'tap'
import {
  formatLabels,
  formatLabelSelector,
} from '../../src/api/format-selector.ts'
import type { JsonObject } from '../../src/api/json.ts'

t.test('labels as `kubectl get` shows them', async t => {
  t.equal(formatLabels({}), '<none>')
  t.equal(formatLabels({ b: '2', a: '1' }), 'a=1,b=2')
})

t.test('a selector as `-l` takes it, sorted by key', async t => {
  const rows: readonly (readonly [JsonObject, string])[] = [
    [{}, '<none>'],
    [{ matchLabels: { b: '2', a: '1', c: '3' } }, 'a=1,b=2,c=3'],
    [
      {
        matchLabels: { m: '1' },
        matchExpressions: [
          { key: 'z', operator: 'In', values: ['b', 'a'] },
          { key: 'a', operator: 'NotIn', values: ['d', 'c'] },
          { key: 'x', operator: 'Exists' },
          { key: 'k', operator: 'DoesNotExist' },
        ],
      },
      'a notin (c,d),!k,m=1,x,z in (a,b)',
    ],
    [{ matchExpressions: [{ key: 'a', operator: 'In' }] }, 'a in ()'],
  ]
  for (const [selector, words] of rows)
    t.equal(formatLabelSelector(selector), words)
})
