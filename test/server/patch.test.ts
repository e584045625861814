import t from 'tap'
import type { Json, JsonObject } from '../../src/api/json.ts'
import { patched } from '../../src/server/patch.ts'

const merge = 'application/merge-patch+json'
const strategic = 'application/strategic-merge-patch+json; charset=utf-8'
const json = 'application/json-patch+json'

const pod: JsonObject = {
  metadata: { name: 'web', labels: { a: '1', b: '2' } },
  spec: {
    containers: [
      { name: 'one', image: 'x', env: [{ name: 'A', value: '1' }] },
      { name: 'two', image: 'y' },
    ],
    tolerations: [{ key: 'k' }],
  },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
}

const cases: readonly (readonly [
  what: string,
  type: string,
  patch: Json,
  expected: JsonObject,
])[] = [
  [
    'RFC 7396: null takes away, a list is replaced',
    merge,
    {
      metadata: { labels: { a: null, c: '3' } },
      spec: { containers: [{ name: 'one' }] },
    },
    {
      ...pod,
      metadata: { name: 'web', labels: { b: '2', c: '3' } },
      spec: { tolerations: [{ key: 'k' }], containers: [{ name: 'one' }] },
    },
  ],
  [
    'strategic: a list with a key is merged, another one is replaced',
    strategic,
    {
      spec: {
        '$setElementOrder/containers': [{ name: 'one' }],
        containers: [
          { name: 'one', image: 'z', env: [{ name: 'B', value: '2' }] },
          { name: 'three' },
        ],
        tolerations: [{ key: 'l' }],
      },
    },
    {
      ...pod,
      spec: {
        containers: [
          {
            name: 'one',
            image: 'z',
            env: [
              { name: 'A', value: '1' },
              { name: 'B', value: '2' },
            ],
          },
          { name: 'two', image: 'y' },
          { name: 'three' },
        ],
        tolerations: [{ key: 'l' }],
      },
    },
  ],
  [
    'strategic: $patch',
    strategic,
    {
      metadata: { $patch: 'replace', name: 'web' },
      spec: { containers: [{ $patch: 'delete', name: 'one' }] },
      status: {
        conditions: [{ $patch: 'replace' }, { type: 'x', status: 'False' }],
      },
    },
    {
      metadata: { name: 'web' },
      spec: {
        containers: [{ name: 'two', image: 'y' }],
        tolerations: [{ key: 'k' }],
      },
      status: { conditions: [{ type: 'x', status: 'False' }] },
    },
  ],
  [
    'RFC 6902',
    json,
    [
      { op: 'test', path: '/metadata/name', value: 'web' },
      { op: 'remove', path: '/spec' },
      { op: 'add', path: '/status/conditions/-', value: { type: 'x' } },
      { op: 'replace', path: '/metadata/labels', value: { 'a/b': '1' } },
      { op: 'add', path: '/metadata/labels/a~1b', value: '2' },
    ],
    {
      metadata: { name: 'web', labels: { 'a/b': '2' } },
      status: {
        conditions: [{ type: 'Ready', status: 'True' }, { type: 'x' }],
      },
    },
  ],
]

for (const [what, type, patch, expected] of cases)
  t.test(what, async t => {
    const before = structuredClone(pod)
    t.strictSame(patched(pod, type, patch), expected)
    t.strictSame(pod, before, 'the object itself stays')
  })

t.test('what cannot be applied', async t => {
  for (const [type, patch, error] of [
    ['application/apply-patch+yaml', {}, { code: 415 }],
    [undefined, {}, { code: 415 }],
    ['constructor', {}, { code: 415 }],
    [merge, [], { code: 400 }],
    [strategic, { status: { conditions: ['x'] } }, { code: 400 }],
    [
      strategic,
      { status: { conditions: [{ status: 'True' }] } },
      { code: 400, message: /does not contain declared merge key: type$/ },
    ],
    [
      strategic,
      { metadata: { '$deleteFromPrimitiveList/finalizers': ['x'] } },
      { code: 400 },
    ],
    [json, {}, { code: 400 }],
    [
      json,
      [{ op: 'remove', path: '/nope' }],
      { code: 422, message: /^the JSON patch cannot be applied: [^\n{]*$/ },
    ],
    [json, [{ op: 'test', path: '/metadata/name', value: 'x' }], { code: 422 }],
    [json, [{ op: 'nope', path: '/metadata' }], { code: 422 }],
    [json, ['x'], { code: 422 }],
  ] as const)
    t.throws(() => patched(pod, type, patch), error)
})

t.test('no name is special', async t => {
  for (const type of [merge, strategic]) {
    const patch = JSON.parse('{"__proto__": {"polluted": "1"}}') as Json
    const result = patched({}, type, patch)
    t.ok(Object.hasOwn(result, '__proto__'))
    t.equal(({} as JsonObject)['polluted'], undefined)
  }
  const patch = [{ op: 'add', path: '/__proto__/polluted', value: '1' }]
  t.throws(() => patched({}, json, patch))
  t.equal(({} as JsonObject)['polluted'], undefined)
})
