import t from 'tap'

import type { Volume, VolumeProjection } from '../../src/api/types.ts'
import {
  keysAtSubPath,
  missingSubPath,
} from '../../src/runner/launch/missing-sub-path.ts'
import {
  ofConfigMap,
  ofSecret,
  podName,
  projected,
  tokenSource,
} from '../helpers/project.ts'

/** `KIND NAME KEY`, with what makes it less than required or more. */
const flat = (volume: Volume, subPath: string) =>
  keysAtSubPath(volume, subPath)?.map(
    ({ kind, name, key, isItem, optional }) =>
      `${kind} ${name} ${key}${isItem ? ' item' : ''}${optional ? ' optional' : ''}`,
  )

const items = [
  { key: 'k1', path: 'conf/one' },
  { key: 'k2', path: './conf//two' },
  { key: 'k3', path: 'confine' },
]

const rows: readonly [string, Volume, string, string[] | undefined][] = [
  ['a key of all', ofConfigMap(), 'my.cnf', ['ConfigMap c my.cnf']],
  ['of a Secret', ofSecret({ optional: true }), 'p', ['Secret s p optional']],
  ['./ and // say nothing', ofSecret(), './/p', ['Secret s p']],
  ['nor does a slash at the end', ofSecret(), 'p/', ['Secret s p']],
  ['through the link', ofSecret(), '..data/p', ['Secret s p']],
  ['but not later on', ofSecret(), 'd..data/p', ['Secret s d..data/p']],
  ['an item', ofSecret({ items }), 'confine', ['Secret s k3 item']],
  [
    'all items below it',
    ofConfigMap({ items }),
    'conf',
    ['ConfigMap c k1 item', 'ConfigMap c k2 item'],
  ],
  ['no item', ofSecret({ items }), 'con', []],
  ['not above an item', ofSecret({ items }), 'conf/one/more', []],
  [
    'a downward API item is there whatever they hold',
    { name: 'v', downwardAPI: { items: [podName], defaultMode: 0o644 } },
    'podname',
    undefined,
  ],
  [
    'one of them is enough',
    projected([
      { secret: { name: 's', optional: false } },
      { downwardAPI: { items: [{ ...podName, path: 'other' }, podName] } },
    ]),
    'podname',
    undefined,
  ],
  [
    'a token',
    projected([{ serviceAccountToken: tokenSource }]),
    'token',
    undefined,
  ],
  [
    'certificates',
    projected([{ clusterTrustBundle: { name: 'x', path: 'tls/ca' } }]),
    'tls',
    undefined,
  ],
  [
    'of all sources',
    projected([
      { secret: { name: 's1', optional: false } },
      { configMap: { name: 'c1', items, optional: true } },
      { serviceAccountToken: tokenSource },
      { clusterTrustBundle: { name: 'x', path: 'ca' } },
      { downwardAPI: { items: [podName] } },
      {} satisfies VolumeProjection,
    ]),
    'conf/one',
    ['Secret s1 conf/one', 'ConfigMap c1 k1 item optional'],
  ],
]
for (const [name, volume, subPath, expected] of rows)
  t.test(name, async t => t.strictSame(flat(volume, subPath), expected))

t.test('what is said of a subPath at which nothing is', async t => {
  const head = 'subPath "x" of volume "v" is an empty directory: '
  t.equal(
    missingSubPath(ofSecret({ items }), 'x', 'ns'),
    `${head}no item of the volume has this path`,
  )
  t.equal(
    missingSubPath(
      projected([
        { secret: { name: 's', optional: true } },
        { configMap: { name: 'c', optional: true } },
      ]),
      'x',
      'ns',
    ),
    `${head}Secret ns/s has no key "x", ConfigMap ns/c has no key "x"`,
  )
})
