import { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import t from 'tap'
import { publishKeySet } from '../../src/tokens/key-set.ts'
import { rootCertificate } from '../../src/tokens/root-certificate.ts'
import { loadSigningKey } from '../../src/tokens/signing-key.ts'
import { TokenIssuer } from '../../src/tokens/token-issuer.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'

const directory = await makeTmpfsDirectory(t)
const key = await loadSigningKey(`${directory}/key.pem`)

t.test('a self-signed certificate authority, always the same', async t => {
  const pem = await rootCertificate(key)
  const certificate = new X509Certificate(pem)
  t.ok(certificate.ca)
  t.ok(certificate.verify(certificate.publicKey))
  t.ok(certificate.checkIssued(certificate))
  t.equal(certificate.subject, 'CN=podfs')
  t.ok(Date.parse(certificate.validTo) > Date.parse('2049-01-01'))
  t.match(pem, /^-----BEGIN CERTIFICATE-----\n([\w+/=]{1,64}\n)+-----END/)
  t.equal(await rootCertificate(key), pem)
})

t.test('C81: a token verifies against the published key set', async t => {
  const path = `${directory}/keys.json`
  await publishKeySet(key, path)
  const { ino } = await stat(path)
  await publishKeySet(key, path)
  t.equal((await stat(path)).ino, ino, 'not written again')
  const keys = JSON.parse(await readFile(path, 'utf8')) as JSONWebKeySet
  const { token } = await new TokenIssuer(key, 'https://issuer').issue(
    {
      namespace: 'ns',
      serviceAccount: { name: 'sa', uid: 'sa-uid' },
      pod: { name: 'p', uid: 'p-uid' },
      audiences: ['vault'],
      expirationSeconds: 600,
    },
    Date.now(),
  )
  const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
    issuer: 'https://issuer',
    audience: 'vault',
  })
  t.equal(payload.sub, 'system:serviceaccount:ns:sa')
})
