import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { commands } from '../../src/cli/commands.ts'
import { capability } from '../helpers/capability.ts'
import { manPage } from '../helpers/man-page.ts'
import { writtenDocument } from '../helpers/written-document.ts'

t.test('podfs(1) says what --help and docs/cli.md say', async t => {
  const { found, wanted } = writtenDocument(
    'podfs.1',
    manPage(packageJson.version, commands, readFileSync('docs/cli.md', 'utf8')),
  )
  t.equal(found, wanted, 'docs/podfs.1 is up to date; else: npm run docs')
})

t.test('man shows it without a complaint', { skip: capability('man') }, t => {
  const shown = execFileSync(
    'man',
    ['--warnings=w', '--local-file', 'docs/podfs.1'],
    {
      encoding: 'utf8',
      env: { ...process.env, MANWIDTH: '100', LC_ALL: 'C.UTF-8' },
    },
  )
  t.match(shown, /^ +--takeover\n +take a live mount over/m)
  t.match(shown, /^EXIT STATUS\n +0 +done;/m)
  t.match(shown, /\/var\/lib\/podfs/)
  t.end()
})
