import { readFileSync, readdirSync } from 'node:fs'
import * as fc from 'fast-check'
import t from 'tap'
import type { Finding } from '../../src/api/report.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'

/*
 * Whatever the bytes, the reader gives objects or positioned mistakes: it never throws, never
 * points outside of the file, never says what a Secret holds. FUZZ_RUNS=100000 goes further.
 */

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 1500)
const secret = 'hunter2hunter2'

/** Manifests as people have them. */
const corpus = [
  ...readdirSync('examples', { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.yaml'))
    .map(entry => readFileSync(`${entry.parentPath}/${entry.name}`)),
  Buffer.from(
    `apiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: &l {a: b}}\nstringData:\n  k: ${secret}\n  l: |-\n    ${secret}\n    two\n---\n{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}}]}\n`,
  ),
  Buffer.from(
    `apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  volumes:\n  - name: v\n    projected:\n      sources:\n      - secret: {name: s, items: [{key: k, path: a/b, mode: 0400}]}\n      - downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}\n      - serviceAccountToken: {path: t, expirationSeconds: 600}\n  containers:\n  - name: c\n    command: [sh, -c, "sleep 1"]\n    env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: k}}}]\n    volumeMounts: [{name: v, mountPath: /v}]\n`,
  ),
]

/** What is wrong with the reader's answer, or undefined. */
function fault(bytes: Buffer): string | undefined {
  const { objects, findings } = readManifest(bytes, 'f.yaml', {
    namespace: 'default',
  })
  const lines = bytes.toString().split('\n')
  const wrong = findings.find(finding => !isPlaced(finding, lines))
  if (wrong !== undefined) return `no place: ${JSON.stringify(wrong)}`
  for (const { source } of objects) {
    for (const path of ['metadata.name', 'spec.volumes[0].x', 'data[k]', ']['])
      source.positionOf(path)
  }
  const broken = findings.find(({ message }) =>
    message.startsWith('podfs cannot read'),
  )
  return broken?.message
}

function isPlaced({ position }: Finding, lines: readonly string[]): boolean {
  const { path, line, column } = position
  return (
    path === 'f.yaml' &&
    line >= 1 &&
    line <= lines.length &&
    column >= 1 &&
    column <= (lines[line - 1] ?? '').length + 1
  )
}

function check(name: string, arbitrary: fc.Arbitrary<Buffer>): void {
  t.test(name, async t => {
    fc.assert(
      fc.property(arbitrary, bytes => {
        const found = fault(bytes)
        if (found !== undefined) throw new Error(found)
      }),
      { numRuns },
    )
    t.pass(`${numRuns} texts`)
  })
}

const toBuffer = (bytes: Uint8Array) => Buffer.from(bytes)

check('random bytes', fc.uint8Array({ maxLength: 300 }).map(toBuffer))

const tokens = [
  '{}[],:-?&*!|>%@`"\'#~.0'.split(''),
  ['\n', '\r\n', '\t', ' ', '  ', '\n  ', '---', '...', '<<', ': ', '- '],
  ['kind', 'Secret', 'Pod', 'spec', 'data', 'metadata', 'items', 'name'],
  ['&a ', '*a', '!!int ', '!!binary ', '! ', 'null', '|2-\n', '\uFEFF'],
  ['apiVersion: v1\n', '\u2028', '\u0000', '__proto__', 'constructor'],
].flat()

check(
  'what looks like YAML',
  fc
    .array(fc.constantFrom(...tokens), { maxLength: 60 })
    .map(parts => Buffer.from(parts.join(''))),
)

/** One change of bytes: cut out, put in, doubled, or moved. */
const change = fc.record({
  at: fc.nat(),
  length: fc.nat(40),
  put: fc.oneof(
    fc.constantFrom(...tokens).map(text => Buffer.from(text)),
    fc.uint8Array({ maxLength: 4 }).map(toBuffer),
  ),
  how: fc.constantFrom('cut', 'put', 'double', 'replace', 'end'),
})

const mutated = fc
  .tuple(
    fc.constantFrom(...corpus),
    fc.array(change, { minLength: 1, maxLength: 5 }),
  )
  .map(([original, changes]) => {
    let bytes = original
    for (const { at, length, put, how } of changes) {
      const start = at % (bytes.length + 1)
      const [head, rest] = [bytes.subarray(0, start), bytes.subarray(start)]
      const middle = rest.subarray(0, length)
      const tail = rest.subarray(length)
      bytes = Buffer.concat(
        {
          cut: [head, tail],
          put: [head, put, rest],
          double: [head, middle, rest],
          replace: [head, put, tail],
          end: [head],
        }[how],
      )
    }
    return bytes
  })

check('manifests with bytes cut, doubled and put in', mutated)

t.test('of a mutilated Secret, no value is in a message', async t => {
  fc.assert(
    fc.property(mutated, bytes => {
      const { findings } = readManifest(bytes, 'f.yaml', {
        namespace: 'default',
      })
      return findings.every(
        ({ message, fix }) => !`${message} ${fix ?? ''}`.includes(secret),
      )
    }),
    {
      numRuns,
      examples: [
        [Buffer.from(`kind: Secret\nstringData:\n  k: |  ${secret}\n`)],
      ],
    },
  )
  t.pass(`${numRuns} texts`)
})

t.test('a text that is not UTF-8 is no manifest', async t => {
  const { objects, findings, parsed } = readManifest(
    Buffer.from('kind: ConfigMap\nname: M\xfcller\n', 'latin1'),
    'f.yaml',
    { namespace: 'default' },
  )
  t.same([objects, parsed], [[], false])
  t.match(findings, [
    {
      position: { line: 2, column: 8 },
      message: 'not YAML: the text is not UTF-8',
    },
  ])
})
