import { readFileSync } from 'node:fs'

/*
 * docs/conformance.md: the list of Kubernetes' behaviours (test/conformance/behaviours.txt)
 * against what the tests of the last run have found. A test belongs to the behaviours whose
 * ids stand in its title: `C11`, `C11 C48`, `C143 to C146`.
 */

interface Behaviour {
  readonly id: string
  readonly isConformance: boolean
  readonly name: string
}

interface Area {
  readonly title: string
  readonly behaviours: readonly Behaviour[]
}

/** The results of one test file, by the title of each test. */
export interface TestFile {
  /** Below the top of the repository, such as `test/fuse/tree.test.ts`. */
  readonly path: string
  readonly results: readonly { readonly ok: boolean; readonly title: string }[]
}

export type Status =
  'passed' | 'emulated' | 'failed' | 'missing' | 'not applicable'

/** Not a behaviour of this program. */
const notApplicable: Readonly<Record<string, string>> = {
  C88: 'podfs is no API server',
  C89: 'podfs is no API server',
  C180: 'there is no cluster DNS; the hosts file has the Pod itself',
  C181: 'there is no cluster DNS',
}

/** Passed, but by other means than a node's, or with a difference that a program can see. */
const emulated: Readonly<Record<string, string>> = {
  ...noted(['C37', 'C38', 'C77', 'C78'], 'the node is this machine'),
  C83: 'tested with a machine that sleeps through the waits; no client has to stay authenticated',
  C84: 'asked through the session’s socket, which is not in the Pod',
  C85: 'one in the input is used as it is, not reconciled',
  ...noted(
    ['C14', 'C15', 'C24', 'C25', 'C53', 'C54', 'C64', 'C65'],
    'the reason is told once, not as a repeated event',
  ),
  ...noted(
    ['C52', 'C63'],
    'the input is refused when it changes; there is no API call to answer',
  ),
  ...noted(
    ['C93', 'C94', 'C95', 'C99', 'C100'],
    'objects are made, changed and deleted in files; the API says so',
  ),
  ...noted(
    ['C133', 'C148', 'C149'],
    'the container ends by itself, not by a liveness probe',
  ),
  C273: 'a changed Pod is made anew',
  ...noted(
    ['C276', 'C277'],
    'one setting, backoffScale, shortens the first wait and the longest alike',
  ),
  C324: 'a link of a new network is set up: not every kernel has dummy links',
  C167: 'on the disk a sizeLimit is not enforced',
}

function noted(
  ids: readonly string[],
  note: string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(ids.map(id => [id, note]))
}

export function readBehaviours(): readonly Area[] {
  const text = readFileSync('test/conformance/behaviours.txt', 'utf8')
  return text.split('\n\n').map(block => {
    const [head = '', ...lines] = block.trim().split('\n')
    return {
      title: head.replace(/^# \w /, ''),
      behaviours: lines.map(line => {
        const [id = '', kind, ...name] = line.split(' ')
        return {
          id,
          isConformance: kind === 'conformance',
          name: name.join(' '),
        }
      }),
    }
  })
}

/** The ids that a title names. */
export function idsIn(title: string): string[] {
  const ids: string[] = []
  for (const [, first = '', last = first] of title.matchAll(
    /\bC(\d{2,3})\b(?: to C(\d{2,3})\b)?/g,
  ))
    for (let n = Number(first); n <= Number(last); n++)
      ids.push(`C${String(n).padStart(2, '0')}`)
  return ids
}

/** The tests of a file that tap wrote to .tap/test-results; skipped ones found nothing. */
export function parseResults(tap: string): TestFile['results'] {
  return [...tap.matchAll(/^ *(not )?ok \d+ - (.*)$/gm)].flatMap(
    ([, not, rest = '']) =>
      / # (SKIP|TODO)/i.test(rest)
        ? []
        : { ok: not === undefined, title: rest.replace(/ # time=.*$/, '') },
  )
}

interface Found {
  readonly status: Status
  readonly note: string
  readonly path?: string
}

function findOut(id: string, files: readonly TestFile[]): Found {
  const na = notApplicable[id]
  const tested = files
    .map(({ path, results }) => ({
      path,
      results: results.filter(({ title }) => idsIn(title).includes(id)),
    }))
    .filter(({ results }) => results.length > 0)
    .sort((one, other) => rank(one.path) - rank(other.path))
  const [first] = tested
  if (first === undefined)
    return na === undefined
      ? { status: 'missing', note: '' }
      : { status: 'not applicable', note: na }
  const failed = tested.find(({ results }) => results.some(({ ok }) => !ok))
  if (failed !== undefined)
    return { status: 'failed', note: '', path: failed.path }
  const note = emulated[id]
  return {
    status: note === undefined ? 'passed' : 'emulated',
    note: note ?? '',
    path: first.path,
  }
}

/** Of several tests the most real one is named. */
function rank(path: string): number {
  const rooms = ['conformance', 'cli', 'mount', 'process']
  const at = rooms.indexOf(path.split('/')[1] ?? '')
  return at === -1 ? rooms.length : at
}

const statuses: readonly Status[] = [
  'passed',
  'emulated',
  'failed',
  'missing',
  'not applicable',
]

/** The file docs/conformance.md. */
export function conformanceDocument(files: readonly TestFile[]): string {
  const areas = readBehaviours().map(({ title, behaviours }) => ({
    title,
    rows: behaviours.map(behaviour => ({
      ...behaviour,
      ...findOut(behaviour.id, files),
    })),
  }))
  const all = areas.flatMap(({ rows }) => rows)
  const counts = (rows: typeof all): string[] => [
    String(rows.length),
    ...statuses.map(status =>
      String(rows.filter(row => row.status === status).length),
    ),
  ]
  return [
    `# Conformance

<!-- Made by \`npm run docs:conformance\` from the results of the tests. Do not edit. -->

What of Kubernetes' own end-to-end tests a node without images can show, ${all.length} behaviours by the names of those tests; **bold** ids are conformance tests. Titles of podfs's tests name the ids.

- **passed**: every test here that names it passed
- **emulated**: passed, by other means than a node's or with a difference that is noted
- **missing**: nothing here tests it; most of it podfs does not do yet
- **not applicable**: no behaviour of this program

Tests in test/conformance, test/cli, test/mount and test/process look at real mounts and real processes; the others at the code that decides.
`,
    row(['area', 'all', ...statuses]),
    row(['---', ...counts(all).map(() => '---')]),
    ...areas.map(({ title, rows }) => row([title, ...counts(rows)])),
    row(['**all**', ...counts(all)]),
    ...areas.flatMap(({ title, rows }) => [
      `\n## ${title}\n`,
      row(['id', "Kubernetes' test", 'result', 'tested in']),
      row(['---', '---', '---', '---']),
      ...rows.map(({ id, isConformance, name, status, note, path }) =>
        row([
          isConformance ? `**${id}**` : id,
          name,
          status + (note === '' ? '' : `: ${note}`),
          path?.replace(/^test\//, '') ?? '',
        ]),
      ),
    ]),
    '',
  ].join('\n')
}

/** The ids that a page says tests have found. */
export function idsTested(page: string): string[] {
  return [
    ...page.matchAll(
      /^\| \**(C\d+)\** \| .* \| (?:passed|emulated|failed)\b[^|]* \| \S+ \|$/gm,
    ),
  ].map(([, id = '']) => id)
}

function row(cells: readonly string[]): string {
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
