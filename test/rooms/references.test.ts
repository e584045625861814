/*
 * Whoever reads a comment has this repository, and what is public: so a comment names no page
 * that is not here, and no number of a page's section. The same for the pages of the makers:
 * the files that they name are there.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => path.join(folder, name))
    .sort()

const sources = ['src', 'test', 'bench', 'systemd']
  .flatMap(filesIn)
  .filter(file => /\.(ts|mjs|cjs|sh|c|py)$/.test(file))
  // Its own examples are wrong on purpose.
  .filter(file => file !== 'test/rooms/references.test.ts')

const everything = ['src', 'test', 'bench', 'systemd', 'config']
  .flatMap(filesIn)
  .map(file => `/${file}`)

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...filesIn('docs').filter(file => file.endsWith('.md')),
]

/** In shell and Python a comment begins with `#`; in the others a string that looks like one does no harm. */
const commentsOf = (file: string, text: string): string =>
  (
    text.match(
      /\.(sh|py)$/.test(file)
        ? /^\s*#.*$/gm
        : /\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm,
    ) ?? []
  )
    .join('\n')
    // A reference may be broken at the end of a line.
    .replaceAll(/\n\s*(?:\*|\/\/|#)?[ \t]*/g, ' ')

/** GitHub's name of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

const anchorsOf = (page: string): readonly string[] =>
  [...readFileSync(page, 'utf8').matchAll(/^#+ (.*)$/gm)].map(
    ([, heading = '']) => anchorOf(heading),
  )

/** Why `page.md` or `page.md#heading`, from the top of the repository, leads nowhere. */
function problemOf(reference: string): string | undefined {
  const [page = '', anchor] = reference.split('#')
  if (!existsSync(page)) return `${reference}: there is no such page`
  if (anchor !== undefined && !anchorsOf(page).includes(anchor))
    return `${reference}: the page has no such heading`
  return undefined
}

const unnamed = [
  /\bthe specification\b/i,
  /\bspecification,? \d/i,
  /(?<!RFC \d+, )\b(section|rule|chapter) \d(\.\d+)*/i,
  /\(\d\.\d+(, \d\.\d+)*\)/,
  // Lines move.
  /\.go:\d+/,
]

/** What nobody finds who has only the repository. */
function problemsOf(comments: string): readonly string[] {
  return [
    ...[...comments.matchAll(/[\w./-]+\.md\b(#[\w-]+)?/g)].flatMap(
      ([reference]) => problemOf(reference) ?? [],
    ),
    // Of a file here its name will do.
    ...[...comments.matchAll(/[\w-][\w/.-]*\.ts\b/g)].flatMap(([name]) =>
      everything.some(file => file.endsWith(`/${name}`))
        ? []
        : [`${name}: there is no such file`],
    ),
    ...unnamed.flatMap(pattern => {
      const [found] = pattern.exec(comments) ?? []
      return found === undefined ? [] : [`names no public source: ${found}`]
    }),
  ]
}

t.test('comments name only what a reader has', async t => {
  for (const file of sources) {
    const text = readFileSync(file, 'utf8')
    t.strictSame(problemsOf(commentsOf(file, text)), [], file)
  }
})

t.test('what is not to be found is noticed', async t => {
  const page = 'kubernetes.md'
  for (const [comment, problem] of [
    [`/** See ${page} 4.4. */`, `${page}: there is no such page`],
    [
      '// docs/fuse.md#nothing',
      'docs/fuse.md#nothing: the page has no such heading',
    ],
    [
      '// As in the specification.',
      'names no public source: the specification',
    ],
    [
      '/* The row of\n * section 2.3. */',
      'names no public source: section 2.3',
    ],
    ['/* See gone.ts. */', 'gone.ts: there is no such file'],
    ['// It is kept (6.5).', 'names no public source: (6.5)'],
    ['// pkg/a.go:12', 'names no public source: .go:12'],
  ] as const)
    t.strictSame(problemsOf(commentsOf('a.ts', comment)), [problem], comment)
  for (const comment of [
    '/** docs/fuse.md#notifications; RFC 5280, section 4.1. */',
    '/* pkg/kubelet/kubelet_pods.go, getPhase */',
  ])
    t.strictSame(problemsOf(commentsOf('a.ts', comment)), [], comment)
})

t.test('links between pages lead to a heading', async t => {
  for (const page of pages)
    for (const [, target = ''] of readFileSync(page, 'utf8').matchAll(
      /\]\(((?!https?:)[^)]*\.md(?:#[^)]*)?|#[^)]*)\)/g,
    )) {
      const reference = target.startsWith('#')
        ? page + target
        : path.join(path.dirname(page), target)
      t.equal(problemOf(reference), undefined, `${page}: ${target}`)
    }
})

t.test("the files that the makers' pages name are there", async t => {
  for (const page of [
    'CONTRIBUTING.md',
    'docs/architecture.md',
    'docs/fuse.md',
    'docs/kubernetes.md',
  ])
    for (const [, file = ''] of readFileSync(page, 'utf8').matchAll(
      // In a text, or at the beginning of a line of a list of files.
      /(?:`|^)((?!dist\/)[\w.-]+\/[\w./-]+\.(?:ts|mjs|cjs|sh|md|json|txt|yaml))(?=`|\s)/gm,
    ))
      if (!file.includes('NAME'))
        t.ok(existsSync(file) || existsSync(`src/${file}`), `${page}: ${file}`)
})
