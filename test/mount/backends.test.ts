import { readFile, writeFile } from 'node:fs/promises'
import t from 'tap'
import { isInUserNamespace } from '../../src/session/user-namespace.ts'
import { backendNames } from '../../src/volumes/backend.ts'
import { backendsDocument, usersFuse } from '../helpers/backends-document.ts'
import {
  claims,
  examineBackend,
  whatIsMissing,
  type Found,
} from '../helpers/backend-suite.ts'
import { examineAsUser } from '../helpers/examine-as-user.ts'
import { cannotMount } from '../helpers/fuse-mount.ts'
import { lacksOrdinaryUser } from '../helpers/ordinary-user.ts'

const document = 'docs/backends.md'
const onCi = process.env['PODFS_TEST_NO_SKIP'] === '1'
const skip = await cannotMount()
const findings = new Map<string, Found>()

for (const name of backendNames)
  t.test(name, { skip }, async t => {
    const missing = await whatIsMissing(name)
    if (missing !== undefined) return t.comment(`SKIPPED: ${missing}`)
    const found = await examineBackend(name)
    findings.set(name, found)

    if (name === 'fuse')
      for (const { what, wanted } of claims)
        t.equal(found.claims.get(what), wanted, what)

    t.test('nobody changes anything on the read-only bind', async t => {
      for (const [call, result] of Object.entries(found.onBind))
        t.ok(
          result.root !== 'OK' && result.other !== 'OK',
          `${call}: ${result.root}, ${result.other}`,
        )
    })
    t.test('nor, with fuse, where nothing is bound', async t => {
      if (name !== 'fuse') return
      for (const [call, result] of Object.entries(found.withoutBind))
        t.ok(
          result.root !== 'OK' && result.other !== 'OK',
          `${call}: ${result.root}, ${result.other}`,
        )
    })
  })

/** What has to be somebody else's, which an ordinary user may not make. */
const ofOthers: Readonly<Record<string, string>> = {
  'owner of a file (fsUser), group of a volume (fsGroup), setgid directories':
    "the user's own",
  'a new entry of a setgid directory takes its group': 'EPERM',
}

t.test(
  usersFuse,
  { skip: skip || lacksOrdinaryUser('fusermount3') },
  async t => {
    const found = await examineAsUser(t)
    findings.set(usersFuse, found)
    for (const { what, wanted } of claims)
      t.equal(found.claims.get(what), ofOthers[what] ?? wanted, what)
    for (const [call, { root, other }] of Object.entries(found.withoutBind))
      t.ok(root !== 'OK' && other !== 'OK', `${call}: ${root}, ${other}`)
  },
)

t.test('docs/backends.md says what was found', { skip }, async t => {
  if (findings.size <= backendNames.length) {
    t.comment('SKIPPED: not every backend works here')
    t.notOk(onCi)
    return
  }
  if (isInUserNamespace())
    return t.comment(
      'SKIPPED: the page is about root, whom more is refused here',
    )
  const made = backendsDocument(findings)
  if (process.env['PODFS_WRITE_DOCS'] === '1') await writeFile(document, made)
  t.equal(await readFile(document, 'utf8'), made, 'npm run docs:backends')
})
