import t from 'tap'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createCases, type CreateCase } from '../fixtures/create/cases.ts'
import { askKubectl, askPodfs, type Outcome } from '../helpers/create-runs.ts'

/*
 * What kubectl 1.34 prints for each case of test/fixtures/create/cases.ts. To record it again:
 *
 *   PODFS_RECORD_KUBECTL=/path/to/kubectl-1.34 npx tap test/cli/create-golden.test.ts
 *
 * A row holds its case, too, so that a new fast-check cannot change what was asked.
 */
const recording = 'test/fixtures/create/kubectl-1.34.json'

interface Row extends CreateCase {
  readonly kubectl: Outcome
}

/** Where podfs says something else, and why. */
const otherErrors: Readonly<Record<string, string>> = {
  // Quotes: encoding/csv counts columns, which helps nobody.
  'a file with a comma in its name':
    'error: invalid argument "\\"c\\"=c" for "--from-file" flag: a quotation mark is in the wrong place, or missing',
  'a quoted file with a comma':
    'error: invalid argument "k=\\"a,b\\"" for "--from-file" flag: a quotation mark is in the wrong place, or missing',
  // Values: kubectl prints the line, or its bytes.
  'an env file that is not UTF-8':
    'error: env file a contains invalid utf8 bytes at line 2',
  'an env file of a Secret that is not UTF-8':
    'error: env file a contains invalid utf8 bytes at line 1',
  'a wrong env key of a Secret':
    "error: a:2: this is not a valid key name: a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')",
  'an env key of a Secret that is ..':
    "error: a:1: this is not a valid key name: must not start with '..'",
  'a wrong literal of a Secret':
    'error: invalid literal source number 2, expected key=value',
  'a literal of a Secret without a key':
    'error: invalid literal source number 1, expected key=value',
}

const kubectl = process.env['PODFS_RECORD_KUBECTL']
if (kubectl !== undefined) {
  const rows: Row[] = []
  for (const kase of createCases)
    rows.push({ ...kase, kubectl: await askKubectl(kubectl, kase) })
  writeFileSync(
    recording,
    `[\n${rows.map(row => JSON.stringify(row)).join(',\n')}\n]\n`,
  )
}

const rows = (
  existsSync(recording) ? JSON.parse(readFileSync(recording, 'utf8')) : []
) as readonly Row[]

t.strictSame(
  rows.map(({ name }) => name),
  createCases.map(({ name }) => name),
  'every case is recorded, once',
)

for (const { kubectl, ...kase } of rows)
  t.test(`create prints what kubectl 1.34 prints: ${kase.name}`, async t => {
    t.strictSame(await askPodfs(kase), {
      ...kubectl,
      error: otherErrors[kase.name] ?? kubectl.error,
    })
  })

t.strictSame(
  Object.keys(otherErrors).filter(
    name => !rows.some(row => row.name === name && row.kubectl.error !== ''),
  ),
  [],
  'each other error is one of the table',
)
