import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import type { JsonObject } from '../../src/api/json.ts'
import { diffGenerations } from '../../src/cli/look/diff-generations.ts'
import { capability } from '../helpers/capability.ts'

type Files = Readonly<Record<string, string | JsonObject>>

function generation(number: number, files: Files): JsonObject {
  return {
    generation: number,
    files: Object.entries(files).map(([path, file]) => ({
      path,
      mode: 0o644,
      ...(typeof file === 'string' ? { data: file } : file),
    })),
  }
}

const hash = (hmacSHA256: string) => ({ hmacSHA256 })

const cases: readonly {
  readonly name: string
  readonly from: Files
  readonly to: Files
  readonly diff: readonly string[]
}[] = [
  { name: 'alike', from: { a: '1\n' }, to: { a: '1\n' }, diff: [] },
  {
    name: 'a line among others',
    from: { a: '1\n2\n3\n4\n5\n6\n7\n8\n9\n' },
    to: { a: '1\n2\n3\n4\nfive\n6\n7\n8\n9\n' },
    diff: [
      'diff --git a/a b/a',
      '--- a/a\tgeneration 1',
      '+++ b/a\tgeneration 2',
      '@@ -2,7 +2,7 @@',
      ' 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8',
    ],
  },
  {
    name: 'without a newline at the end',
    from: { a: 'blue' },
    to: { a: 'red\n' },
    diff: [
      'diff --git a/a b/a',
      '--- a/a\tgeneration 1',
      '+++ b/a\tgeneration 2',
      '@@ -1 +1 @@',
      '-blue',
      '\\ No newline at end of file',
      '+red',
    ],
  },
  {
    name: 'a file that comes and one that goes',
    from: { old: '1\n' },
    to: { 'dir/new': '1\n' },
    diff: [
      'diff --git a/dir/new b/dir/new',
      'new file mode 100644',
      '--- /dev/null\tgeneration 1',
      '+++ b/dir/new\tgeneration 2',
      '@@ -0,0 +1 @@',
      '+1',
      'diff --git a/old b/old',
      'deleted file mode 100644',
      '--- a/old\tgeneration 1',
      '+++ /dev/null\tgeneration 2',
      '@@ -1 +0,0 @@',
      '-1',
    ],
  },
  {
    name: 'an empty file',
    from: {},
    to: { a: '' },
    diff: ['diff --git a/a b/a', 'new file mode 100644'],
  },
  {
    name: 'a mode alone',
    from: { a: { data: '1', mode: 0o400 } },
    to: { a: { data: '1', mode: 0o640 } },
    diff: ['diff --git a/a b/a', 'old mode 100400', 'new mode 100640'],
  },
  {
    name: 'binary',
    from: { a: { binaryData: 'AAE=' } },
    to: { a: 'text\n', b: { binaryData: 'AAE=' } },
    diff: [
      'diff --git a/a b/a',
      'Binary files a/a and b/a differ',
      'diff --git a/b b/b',
      'new file mode 100644',
      'Binary files /dev/null and b/b differ',
    ],
  },
  {
    name: 'a binary file with another mode',
    from: { a: { binaryData: 'AAE=', mode: 0o600 } },
    to: { a: { binaryData: 'AAE=' } },
    diff: ['diff --git a/a b/a', 'old mode 100600', 'new mode 100644'],
  },
  {
    name: 'of a Secret the hash',
    from: { password: hash('0123456789ab'), same: hash('aaaaaaaaaaaa') },
    to: { password: hash('ba9876543210'), same: hash('aaaaaaaaaaaa') },
    diff: [
      'diff --git a/password b/password',
      '--- a/password\tgeneration 1',
      '+++ b/password\tgeneration 2',
      '@@ -1 +1 @@',
      '-hmac-sha256:0123456789ab',
      '+hmac-sha256:ba9876543210',
    ],
  },
  {
    name: 'a name that a terminal would take for something else',
    from: {},
    to: { 'a\u001b[2J\n': '1\n' },
    diff: [
      'diff --git "a/a\\033[2J\\n" "b/a\\033[2J\\n"',
      'new file mode 100644',
      '--- /dev/null\tgeneration 1',
      '+++ "b/a\\033[2J\\n"\tgeneration 2',
      '@@ -0,0 +1 @@',
      '+1',
    ],
  },
]

for (const { name, from, to, diff } of cases)
  t.test(name, async t => {
    const text = diffGenerations(generation(1, from), generation(2, to))
    t.equal(text, diff.map(line => `${line}\n`).join(''))
  })

t.test('git can apply it', { skip: capability('git') }, async t => {
  const from = { a: '1\n2\n3', gone: 'x\n', same: 's', 'd/deep': 'a\r\nb\n' }
  const to = { a: '1\ntwo\n3\n', 'new/one': 'y', same: 's', 'd/deep': 'a\nb\n' }
  const directory = t.testdir()
  for (const [file, text] of Object.entries(from)) {
    mkdirSync(path.dirname(path.join(directory, file)), { recursive: true })
    writeFileSync(path.join(directory, file), text)
  }
  execFileSync('git', ['apply', '-'], {
    cwd: directory,
    input: diffGenerations(generation(1, from), generation(2, to)),
    // It is no part of the repository above it.
    env: { ...process.env, GIT_CEILING_DIRECTORIES: path.dirname(directory) },
  })
  for (const [file, text] of Object.entries(to))
    t.equal(readFileSync(path.join(directory, file), 'utf8'), text, file)
  t.throws(() => readFileSync(path.join(directory, 'gone')))
  rmSync(directory, { recursive: true })
})

t.test('lines of which none is alike do not take for ever', async t => {
  const lines = (sign: string) =>
    Array.from({ length: 200_000 }, (_, i) => `${sign}${i}\n`).join('')
  t.equal(
    diffGenerations(
      generation(1, { a: lines('-') }),
      generation(2, { a: lines('+') }),
    ),
    'diff --git a/a b/a\nFiles a/a and b/a differ\n',
  )
})
