import t from 'tap'
import { readDocuments } from '../../src/api/yaml/documents.ts'
import { toValue } from '../../src/api/yaml/to-value.ts'
import {
  readYaml,
  refuses,
  repeated,
  type HostileText,
} from '../helpers/read-yaml.ts'

/* What takes a second or more: `npm run mutants` does without. */

const hostile: readonly HostileText[] = [
  [
    'merges of merges',
    repeated(500, i =>
      i === 0 ? 'b0: &b0 {a: 1}\n' : `b${i}: &b${i} {<<: *b${i - 1}}\n`,
    ),
    /excessive aliasing/,
    -1,
  ],
  [
    'deep aliases',
    'a0: &a0 ' +
      '['.repeat(900) +
      ']'.repeat(900) +
      '\n' +
      repeated(
        40,
        i =>
          `a${i + 1}: &a${i + 1} [*a${i}, ${'['.repeat(900)}*a${i}${']'.repeat(900)}]\n`,
      ),
    /nested deeper than 1000 levels|excessive aliasing/,
    -1,
  ],
  [
    'a list',
    `a: [${'x,'.repeat(2_100_000)}]`,
    /more than 2000000 values in one file/,
    -1,
  ],
  [
    'a list of JSON',
    `{"a": [${'1,'.repeat(2_100_000)}1]}`,
    /more than 2000000 values in one file/,
    -1,
  ],
  ['lines', `a: "${'\n'.repeat(4_000_000)}"`, /a value of more than 3 MiB/, 3],
  [
    'a key of 1 MB',
    `${'x'.repeat(1_000_000)}: b\n`,
    /mapping values are not allowed in this context/,
    -1,
  ],
]
t.test(
  'the largest hostile texts are refused where they go too far',
  async t => {
    refuses(t, hostile)
  },
)

t.test('an anchor of 1 MB is read', async t => {
  t.equal(readYaml(`a: &${'x'.repeat(1_000_000)} b\n`).error, undefined)
})

t.test('reading lets others have their turn', async t => {
  const object = (i: number) =>
    `- kind: ConfigMap\n  metadata: {name: c${i}}\n  data: {a: b, c: "d", e: f}\n`
  for (const text of [
    `kind: List\nitems:\n${repeated(20_000, object)}`,
    JSON.stringify({ a: Array.from({ length: 100_000 }, (_, i) => i) }),
    '---\n'.repeat(200_000),
    `a: 1\n${'...\n'.repeat(200_000)}`,
    '%x\n'.repeat(200_000),
  ]) {
    let turns = 0
    for (const document of readDocuments(text, () => {}))
      if (document === undefined) turns += 1
      else
        for (const work = toValue(document.root, () => {}); ; turns += 1)
          if (work.next().done === true) break
    t.ok(turns > 40, `${turns} turns`)
  }
})
