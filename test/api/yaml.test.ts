import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { isMapping, type Value } from '../../src/api/value.ts'
import { readDocuments } from '../../src/api/yaml/documents.ts'
import { toValue } from '../../src/api/yaml/to-value.ts'
import { YamlError } from '../../src/api/yaml/yaml-node.ts'
import { atOnce } from '../../src/util/in-turns.ts'

interface Answer {
  readonly documents: readonly unknown[]
  readonly warnings: readonly string[]
  readonly duplicates: readonly string[]
  readonly error?: string
  readonly offset?: number
}

function read(text: string): Answer {
  const documents: unknown[] = []
  const warnings: string[] = []
  const duplicates: string[] = []
  try {
    for (const document of readDocuments(text, (offset, problem) =>
      warnings.push(`${offset}: ${problem}`),
    )) {
      if (document === undefined) continue
      const work = toValue(document.root, (key, offset, earlier) =>
        duplicates.push(`${key} ${earlier} ${offset}`),
      )
      const value = atOnce(work)
      if (value !== null) documents.push(asJson(value))
    }
  } catch (error) {
    if (!(error instanceof YamlError)) throw error
    const { message, offset } = error
    return { documents, warnings, duplicates, error: message, offset }
  }
  return { documents, warnings, duplicates }
}

function asJson(value: Value): unknown {
  if (isMapping(value))
    return Object.fromEntries(
      [...value].map(([key, each]) => [key, asJson(each)]),
    )
  return Array.isArray(value) ? value.map(asJson) : value
}

t.test('reads what kubectl reads', async t => {
  const vectors = JSON.parse(
    readFileSync('test/fixtures/kubectl-yaml/vectors.json', 'utf8'),
  ) as { text: string; error?: true; documents: unknown[] }[]
  const wrong = vectors.filter(({ text, error, documents }) => {
    const answer = read(text)
    // What kubectl refuses is refused, or told.
    if (error === true)
      return answer.error === undefined && answer.warnings.length === 0
    if (answer.error !== undefined) return true
    // kubectl does not look at more than the first document of a part.
    return answer.warnings.length > 0
      ? answer.documents.length < documents.length
      : !isDeepStrictEqual(answer.documents, documents)
  })
  t.equal(vectors.length, 699)
  t.same(wrong, [])
})

t.test('what kubectl cannot parse is read, and told', async t => {
  const cases: readonly (readonly [
    text: string,
    value: unknown,
    told: string,
  ])[] = [
    [
      'a: |\n  \tb\n  c\n',
      { a: '\tb\nc\n' },
      '7: found a tab character where an indentation space is expected',
    ],
    [
      '%YAML 1.2\n---\na: b\n',
      { a: 'b' },
      '0: found incompatible YAML document',
    ],
    ['--- {a: b}\n', { a: 'b' }, '0: invalid Yaml document separator'],
    ['a: "\\/"\n', { a: '/' }, '4: found unknown escape character'],
    [
      '{"a": 1}{"a": 1}\n---\n{"a": 1}\n',
      { a: 1 },
      '17: JSON objects one after the other, and then something else',
    ],
    [
      'a: 1\n...\na: 1\n',
      { a: 1 },
      '9: a second document without a line of ---',
    ],
  ]
  for (const [text, value, told] of cases) {
    const { documents, warnings, error } = read(text)
    t.strictSame([error, warnings], [undefined, [told]])
    t.ok(documents.length > 0)
    for (const document of documents) t.strictSame(document, value)
  }
  t.match(read('a: "x\n-----END X-----\n"\n'), {
    documents: [{ a: 'x -----END X-----  '.trimEnd() + ' ' }],
    warnings: ['6: invalid Yaml document separator'],
  })
})

t.test(
  'of equal keys the last one counts, and both places are told',
  async t => {
    t.match(read('a: 1\nb: {c: 1, "c": 2}\na: 3\n'), {
      documents: [{ a: 3, b: { c: 2 } }],
      duplicates: ['c 9 15', 'a 0 23'],
    })
    t.match(read('{"a": 1, "a": 2}'), {
      documents: [{ a: 2 }],
      duplicates: ['a 1 9'],
    })
    t.match(
      read('x: &x {a: 1}\ny: {<<: *x, a: 2}\nz: [*x, *x]\n').duplicates,
      [],
    )
  },
)

const repeated = (count: number, part: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => part(i)).join('')
/** Each is refused long before what it stands for is made. */
const hostile: readonly (readonly [
  name: string,
  text: string,
  error: RegExp,
  offset: number,
])[] = [
  [
    'merges of merges',
    repeated(500, i =>
      i === 0 ? 'b0: &b0 {a: 1}\n' : `b${i}: &b${i} {<<: *b${i - 1}}\n`,
    ),
    /excessive aliasing/,
    -1,
  ],
  [
    'a billion laughs',
    'a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n' +
      repeated(30, i => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(10)}]\n`),
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
    'an anchor in itself',
    'a: &a [*a]\n',
    /an anchor must not contain itself/,
    7,
  ],
  [
    'brackets',
    `a: ${'['.repeat(100_000)}`,
    /nested deeper than 1000 levels/,
    3 + 999,
  ],
  ['braces', '{a: '.repeat(100_000), /nested deeper than 1000 levels/, 4000],
  ['dashes', '- '.repeat(100_000), /nested deeper than 1000 levels/, 2000],
  ['questions', '? '.repeat(100_000), /nested deeper than 1000 levels/, 2000],
  [
    'brackets of JSON',
    `{"a": ${'['.repeat(100_000)}`,
    /nested deeper than 1000 levels/,
    6 + 999,
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
t.test('hostile texts are refused where they go too far', async t => {
  for (const [name, text, error, offset] of hostile) {
    const answer = read(text)
    t.match(answer.error, error, name)
    if (offset !== -1) t.equal(answer.offset, offset, `${name}: the place`)
  }
})

t.test('no tree is deeper than code that goes through it may go', async t => {
  for (const [open, close] of [
    ['{"a": ', '}'],
    ['{a: ', '}'],
  ] as const) {
    const text = open + '['.repeat(100_000) + ']'.repeat(100_000) + close
    t.throws(() => [...readDocuments(text, () => {})], {
      message: 'nested deeper than 1000 levels',
      offset: open.length + 999,
    })
  }
})

t.test('790 brackets, and an anchor of 1 MB, are read', async t => {
  t.equal(read(`a: ${'['.repeat(790)}${']'.repeat(790)}\n`).error, undefined)
  t.equal(read(`a: &${'x'.repeat(1_000_000)} b\n`).error, undefined)
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
