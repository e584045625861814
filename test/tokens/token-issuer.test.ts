import t from 'tap'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import { loadSigningKey } from '../../src/tokens/signing-key.ts'
import { serviceAccountUid } from '../../src/api/service-account-uid.ts'
import { TokenIssuer } from '../../src/tokens/token-issuer.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'

const issuer = 'https://kubernetes.default.svc.cluster.local'
const now = Date.UTC(2026, 7, 21, 11, 29, 11, 987)
const iat = Math.floor(now / 1000)
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const key = await loadSigningKey(`${await makeTmpfsDirectory(t)}/key.pem`)
const tokens = new TokenIssuer(key, issuer)
const request = {
  namespace: 'ns',
  serviceAccount: { name: 'sa', uid: 'sa-uid' },
  pod: { name: 'p', uid: 'p-uid' },
  node: { name: 'n', uid: 'n-uid' },
  audiences: ['vault'],
  expirationSeconds: 600,
}

async function claimsOf(token: string, audience: string) {
  const { payload } = await jwtVerify(token, key.publicKey, {
    issuer,
    audience,
    currentDate: new Date(now),
  })
  return payload
}

t.test('C81: claims of a token', async t => {
  const { token, expiresAt } = await tokens.issue(request, now)
  t.match(token, /^([A-Za-z0-9_-]+\.){2}[A-Za-z0-9_-]+$/, 'three parts')
  t.strictSame(decodeProtectedHeader(token), { alg: 'RS256', kid: key.kid })
  t.equal(expiresAt, (iat + 600) * 1000)
  const { jti, ...claims } = await claimsOf(token, 'vault')
  t.match(jti, uuid)
  t.strictSame(claims, {
    aud: ['vault'],
    exp: iat + 600,
    iat,
    iss: issuer,
    nbf: iat,
    sub: 'system:serviceaccount:ns:sa',
    'kubernetes.io': {
      namespace: 'ns',
      node: { name: 'n', uid: 'n-uid' },
      pod: { name: 'p', uid: 'p-uid' },
      serviceaccount: { name: 'sa', uid: 'sa-uid' },
    },
  })
})

t.test('no audience is the issuer', async t => {
  const { token } = await tokens.issue({ ...request, audiences: [] }, now)
  t.strictSame((await claimsOf(token, issuer)).aud, [issuer])
})

t.test('every token has an identity of its own', async t => {
  const two = await Promise.all([
    tokens.issue(request, now),
    tokens.issue(request, now),
  ])
  const ids = await Promise.all(
    two.map(async ({ token }) => (await claimsOf(token, 'vault')).jti),
  )
  t.not(ids[0], ids[1])
})

t.test('3607 seconds for the issuer’s own audience live a year', async t => {
  const rows = [
    { name: 'default audience', audiences: [], extended: true },
    { name: 'issuer by name', audiences: [issuer], extended: true },
    { name: 'other audience', audiences: ['vault'], extended: false },
  ]
  for (const { name, audiences, extended } of rows) {
    const { token, expiresAt } = await tokens.issue(
      { ...request, audiences, expirationSeconds: 3607 },
      now,
    )
    const claims = await claimsOf(token, audiences[0] ?? issuer)
    const { warnafter } = claims['kubernetes.io'] as { warnafter?: number }
    t.equal(expiresAt, (iat + 3607) * 1000, `${name}: the kubelet is told 3607`)
    t.equal(claims.exp, iat + (extended ? 365 * 86400 : 3607), `${name}: exp`)
    t.equal(warnafter, extended ? iat + 3607 : undefined, `${name}: warnafter`)
  }
})

t.test('a forged token does not verify', async t => {
  const { token } = await tokens.issue(request, now)
  const [header, payload, signature] = token.split('.')
  const forged = Buffer.from(
    Buffer.from(payload ?? '', 'base64url')
      .toString()
      .replace('serviceaccount:ns:sa', 'serviceaccount:ns:admin'),
  ).toString('base64url')
  await t.rejects(claimsOf(`${header}.${forged}.${signature}`, 'vault'), {
    code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  })
})

t.test('the uid of a service account', async t => {
  const uid = serviceAccountUid('ns', 'default')
  t.match(uid, uuid)
  t.equal(serviceAccountUid('ns', 'default'), uid, 'is always the same')
  t.not(serviceAccountUid('other', 'default'), uid)
})
