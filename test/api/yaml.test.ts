import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { readDocuments } from '../../src/api/yaml/documents.ts'
import {
  readYaml as read,
  refuses,
  repeated,
  type HostileText,
} from '../helpers/read-yaml.ts'

const vectors = JSON.parse(
  readFileSync('test/fixtures/kubectl-yaml/vectors.json', 'utf8'),
) as { text: string; error?: true; documents: unknown[] }[]
t.equal(vectors.length, 699)

// A hundred each: `npm run mutants` is done with the first that finds a mistake.
for (let first = 0; first < vectors.length; first += 100)
  t.test(`reads what kubectl reads, from text ${first} on`, async t => {
    const wrong = vectors
      .slice(first, first + 100)
      .filter(({ text, error, documents }) => {
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

/** Each is refused long before what it stands for is made; yaml-limits.test.ts has the largest. */
const hostile: readonly HostileText[] = [
  [
    'a billion laughs',
    'a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n' +
      repeated(30, i => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(10)}]\n`),
    /excessive aliasing/,
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
    'a deep alias in a deep list',
    `a: &a ${'['.repeat(600)}${']'.repeat(600)}\nb: ${'['.repeat(600)}*a${']'.repeat(600)}\n`,
    /nested deeper than 1000 levels/,
    -1,
  ],
  [
    'a key of 2 kB',
    `${'x'.repeat(2000)}: b\n`,
    /mapping values are not allowed in this context/,
    2000,
  ],
]
t.test('hostile texts are refused where they go too far', async t => {
  refuses(t, hostile)
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

t.test('790 brackets, and a key of 1 kB, are read', async t => {
  t.equal(read(`a: ${'['.repeat(790)}${']'.repeat(790)}\n`).error, undefined)
  t.equal(read(`${'x'.repeat(1024)}: b\n`).error, undefined)
  t.equal(read(`${'\u{10000}'.repeat(1024)}: b\n`).error, undefined)
  t.equal(read(`${'\u{10000}'.repeat(1025)}: b\n`).offset, 2050)
})

t.test('aliases that make a document large, and no more', async t => {
  const list = `a: &a [${repeated(20, () => 'x,')}]\n`
  for (const aliases of [1, 60, 2000]) {
    const { error, documents } = read(
      `${list}b: [${repeated(aliases, () => '*a,')}]\n`,
    )
    t.equal(error, undefined)
    const { b } = documents[0] as { readonly b: readonly unknown[] }
    t.equal(b.length, aliases)
  }
  // A list beside it is as deep as it would be without.
  const deep = `${'['.repeat(700)}${']'.repeat(700)}`
  t.equal(read(`a: &a ${deep}\nb: [*a, *a, ${deep}]\n`).error, undefined)
  t.equal(read(`a: [{a: ${deep}}, {a: ${deep}}]\n`).error, undefined)
})
