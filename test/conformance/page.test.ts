import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import t from 'tap'
import {
  conformanceDocument,
  idsIn,
  idsTested,
  parseResults,
  readBehaviours,
  type TestFile,
} from '../helpers/conformance-document.ts'

/*
 * Not a test of behaviours: it writes the page about them, from what tap keeps of the last run
 * of each test file, and sees that the page claims nothing that no test names.
 */

const page = 'docs/conformance.md'
const resultsDirectory = '.tap/test-results'

async function lastResults(): Promise<TestFile[]> {
  const files = await readdir(resultsDirectory, { recursive: true })
  const paths = files
    .filter(file => file.endsWith('.test.ts.tap'))
    .map(file => file.slice(0, -'.tap'.length))
    .filter(path => existsSync(path))
  return Promise.all(
    paths.sort().map(async path => {
      const text = await readFile(`${resultsDirectory}/${path}.tap`, 'utf8')
      return { path, results: parseResults(text) }
    }),
  )
}

t.test('docs/conformance.md', async t => {
  if (process.env['PODFS_WRITE_DOCS'] === '1')
    await writeFile(page, conformanceDocument(await lastResults()))
  const text = await readFile(page, 'utf8')
  const sources = (await readdir('test', { recursive: true })).filter(
    file => file.endsWith('.ts') && !file.includes('conformance-document'),
  )
  const named = new Set<string>()
  for (const file of sources)
    for (const id of idsIn(await readFile(`test/${file}`, 'utf8')))
      named.add(id)
  t.strictSame(
    idsTested(text).filter(id => !named.has(id)),
    [],
    'what it claims is tested; else: npm run docs:conformance',
  )
  const listed = readBehaviours().flatMap(({ behaviours }) => behaviours)
  t.equal(listed.length, 352)
  for (const { id } of listed)
    t.match(text, new RegExp(`^\\| \\**${id}\\** \\|`, 'm'))
  const ofVolumes = idsIn('C01 to C89, C128 to C175')
  t.strictSame(
    ofVolumes.filter(id =>
      new RegExp(`^\\| \\**${id}\\** \\|.*\\| (missing|failed)\\b`, 'm').test(
        text,
      ),
    ),
    [],
    'every behaviour of volumes has a test that passed',
  )
})

t.test('what a title and a result say', async t => {
  t.strictSame(idsIn('C01 C02, C98 to C100: x (C352)'), [
    'C01',
    'C02',
    'C98',
    'C99',
    'C100',
    'C352',
  ])
  t.strictSame(
    parseResults(
      '    ok 1 - C01: a # time=1.5ms\n  not ok 2 - C02: b\nok 3 - C03 # SKIP needs root\n',
    ),
    [
      { ok: true, title: 'C01: a' },
      { ok: false, title: 'C02: b' },
    ],
  )
  const files = [
    { path: 'test/runner/x.test.ts', results: [{ ok: true, title: 'C01' }] },
    {
      path: 'test/conformance/x.test.ts',
      results: [
        { ok: true, title: 'C01 C37' },
        { ok: false, title: 'C02 and C02' },
      ],
    },
  ]
  const lines = conformanceDocument(files).split('\n')
  const line = (id: string) =>
    lines.find(line => new RegExp(`^\\| \\**${id}\\** \\|`).test(line))
  t.match(line('C01'), / \| passed \| conformance\/x.test.ts \|$/)
  t.match(line('C02'), / \| failed \| conformance\/x.test.ts \|$/)
  t.match(line('C37'), / \| emulated: the node is this machine \| /)
  t.match(line('C03'), / \| missing \|  \|$/)
  t.match(line('C88'), / \| not applicable: podfs is no API server \|  \|$/)
})
