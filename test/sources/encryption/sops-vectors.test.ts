import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  readManifest,
  type Manifest,
} from '../../../src/sources/manifests/manifest-reader.ts'
import { AgeIdentities } from '../../../src/sources/encryption/age-identities.ts'
import { readMaybeEncrypted } from '../../../src/sources/encryption/read-maybe-encrypted.ts'

/*
 * What the real sops has encrypted (test/fixtures/sops/record.sh), against what it gives when
 * it decrypts.
 */
const fixtures = 'test/fixtures/sops'
const namespace = 'default'
const identities = new AgeIdentities([{ file: `${fixtures}/keys.txt` }])

const read = (name: string) =>
  readMaybeEncrypted(readFileSync(join(fixtures, name)), name, {
    namespace,
    identities,
  })

/** Without positions, which are those of the encrypted file. */
const plain = ({ objects, findings, parsed }: Manifest) => ({
  parsed,
  objects: objects.map(object => ({ ...object, source: undefined })),
  findings: findings.map(finding => ({ ...finding, position: undefined })),
})

const names = readdirSync(join(fixtures, 'decrypted')).filter(
  name => !['for-others.yaml', 'mistakes.yaml'].includes(name),
)
t.ok(names.length > 15, 'the fixtures are there')
for (const name of names) {
  t.test(`${name} is read as what sops decrypts of it`, async t => {
    const decrypted = readFileSync(join(fixtures, 'decrypted', name))
    const expected = readManifest(decrypted, name, { namespace })
    t.strictSame(plain(await read(name)), plain(expected))
    t.ok(expected.objects.length > 0)
  })
}

t.test('age files are read as what is in them', async t => {
  const expected = readManifest(
    readFileSync(join(fixtures, 'decrypted', 'regex.yaml')),
    'regex.yaml',
    { namespace },
  )
  for (const name of ['secret.yaml.age', 'armored.yaml.age', 'sops.yaml.age'])
    t.strictSame(plain(await read(name)), plain(expected), name)
})
