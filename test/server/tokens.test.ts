import { createLocalJWKSet, jwtVerify, SignJWT, type JSONWebKeySet } from 'jose'
import t, { type Test } from 'tap'
import { items, part, text, type JsonObject } from '../../src/api/json.ts'
import { serviceAccountUid } from '../../src/api/service-account-uid.ts'
import { loadSigningKey } from '../../src/tokens/signing-key.ts'
import { apiNow, startApiServer } from '../helpers/api-server.ts'
import { makeNode, makePod, makeSecret } from '../helpers/make-objects.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'

/*
 * TokenRequest, TokenReview and the issuer's discovery. The words are those of the API server:
 * pkg/registry/core/serviceaccount/storage/token.go, pkg/serviceaccount/claims.go.
 */

const issuer = 'https://issuer.example'
const reviews = '/apis/authentication.k8s.io/v1/tokenreviews'
const requests = (name: string, namespace = 'default') =>
  `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
const robot = makePod({
  name: 'web',
  uid: 'web-uid',
  spec: { serviceAccountName: 'robot' },
})
const boundTo = (kind: string, name: string, more = {}) => ({
  boundObjectRef: { kind, apiVersion: 'v1', name, ...more },
})

async function start(t: Test) {
  const api = await startApiServer(t)
  const token = async (spec: object, name = 'robot') => {
    const { code, body } = await api.post(requests(name), { spec })
    t.equal(code, 201, JSON.stringify(body))
    return text(part(body, 'status')['token'])
  }
  const review = async (token: string, audiences: readonly string[] = []) => {
    const { code, body } = await api.post(reviews, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences },
    })
    t.equal(code, 201)
    t.equal(body['kind'], 'TokenReview')
    return part(body, 'status')
  }
  api.store.replace('x', [robot])
  return { ...api, token, review }
}

t.test('C86: a token of a Pod, and whose it is', async t => {
  const { post, review, store } = await start(t)
  const { code, body } = await post(requests('robot'), {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name: 'robot' },
    spec: {
      expirationSeconds: 900,
      ...boundTo('Pod', 'web', { uid: 'web-uid' }),
    },
  })
  t.equal(code, 201)
  const { token, ...status } = part(body, 'status')
  t.strictSame(
    { ...body, status },
    {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: {
        name: 'robot',
        namespace: 'default',
        creationTimestamp: '2026-01-01T00:00:00Z',
      },
      spec: {
        audiences: [issuer],
        expirationSeconds: 900,
        ...boundTo('Pod', 'web', { uid: 'web-uid' }),
      },
      status: { expirationTimestamp: '2026-01-01T00:15:00Z' },
    },
  )
  const found = await review(text(token))
  const user = part(found, 'user')
  const extra = part(user, 'extra')
  t.match(extra['authentication.kubernetes.io/credential-id'], [
    /^JTI=[0-9a-f-]{36}$/,
  ])
  t.strictSame(found, {
    authenticated: true,
    user: {
      username: 'system:serviceaccount:default:robot',
      uid: serviceAccountUid('default', 'robot'),
      groups: [
        'system:serviceaccounts',
        'system:serviceaccounts:default',
        'system:authenticated',
      ],
      extra: {
        ...extra,
        'authentication.kubernetes.io/node-name': [makeNode().name],
        'authentication.kubernetes.io/node-uid': [makeNode().uid],
        'authentication.kubernetes.io/pod-name': ['web'],
        'authentication.kubernetes.io/pod-uid': ['web-uid'],
      },
    },
    audiences: [issuer],
  })

  store.replace('x', [
    makePod({ ...robot.metadata, uid: 'next', spec: robot.spec }),
  ])
  t.strictSame(await review(text(token)), {
    user: {},
    error:
      '[invalid bearer token, pod UID (next) does not match service account pod ref claim (web-uid)]',
  })
  store.replace('x', [makePod({ name: 'other', spec: robot.spec })])
  t.strictSame(await review(text(token)), {
    user: {},
    error: '[invalid bearer token, service account token has been invalidated]',
  })
  store.replace('x', [])
  t.strictSame(
    await review(text(token)),
    {
      user: {},
      error: '[invalid bearer token, serviceaccounts "robot" not found]',
    },
    'nothing names the service account any more',
  )
})

t.test('C86: a Pod that ends keeps its token for a minute', async t => {
  const { record, clock, token, review } = await start(t)
  const live = record.pod(robot)
  const its = await token({ expirationSeconds: 7200, ...boundTo('Pod', 'web') })
  live.terminating(30)
  await clock.advance(90_000)
  t.match(await review(its), { authenticated: true })
  await clock.advance(1000)
  t.match(await review(its), { error: /has been invalidated/ })
})

t.test('C86: what a token is good for, and for how long', async t => {
  const { clock, token, review } = await start(t)
  const its = await token({
    audiences: ['vault', 'db'],
    expirationSeconds: 600,
  })
  t.match(await review(its), {
    error: `[invalid bearer token, token audiences ["vault" "db"] is invalid for the target audiences ["${issuer}"]]`,
  })
  t.match(await review(its, ['db', 'other']), {
    authenticated: true,
    audiences: ['db'],
  })
  await clock.advance(-61_000)
  t.match(await review(its, ['db']), {
    error: '[invalid bearer token, service account token is not valid yet]',
  })
  await clock.advance(61_000 + 660_000)
  t.match(await review(its, ['db']), { authenticated: true }, 'clocks differ')
  await clock.advance(1000)
  t.match(await review(its, ['db']), {
    error: '[invalid bearer token, service account token has expired]',
  })
})

t.test('C86: tokens of a Secret, of the node, and of nothing', async t => {
  const { store, token, review } = await start(t)
  const secret = makeSecret({ name: 's' })
  store.replace('y', [secret])
  const ofSecret = await token(boundTo('Secret', 's'))
  const ofNode = await token(boundTo('Node', makeNode().name), 'default')
  const free = await token({}, 'default')
  for (const each of [ofSecret, ofNode, free])
    t.match(await review(each), { authenticated: true })
  t.match(await review(ofNode), {
    user: {
      extra: { 'authentication.kubernetes.io/node-name': [makeNode().name] },
    },
  })
  t.strictSame(Object.keys(part(part(await review(free), 'user'), 'extra')), [
    'authentication.kubernetes.io/credential-id',
  ])
  store.replace('y', [])
  t.match(await review(ofSecret), { error: /has been invalidated/ })
})

t.test('C86: what is no token of this issuer', async t => {
  const { review, token } = await start(t)
  const key = await loadSigningKey(`${await makeTmpfsDirectory(t)}/key.pem`)
  const sign = (kid: string, iss: string) =>
    new SignJWT({ iss, aud: [iss] })
      .setProtectedHeader({ alg: 'RS256', kid })
      .sign(key.privateKey)
  const own = await token({})
  const [header = ''] = own.split('.')
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as {
    kid: string
  }
  for (const [given, error] of [
    ['x', 'invalid bearer token'],
    // Base64 with more than it needs; jose would read it.
    [`${own}==`, 'invalid bearer token'],
    [`${own} `, 'invalid bearer token'],
    [`${own}\n`, 'invalid bearer token'],
    [own.replace('.', '==.'), 'invalid bearer token'],
    [await sign('a', 'https://other'), 'invalid bearer token'],
    [
      await sign('a', issuer),
      '[invalid bearer token, invalid signature, no keys found]',
    ],
    [
      await sign(kid, issuer),
      '[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]',
    ],
    [
      own.slice(0, -8) + 'AAAAAAAA',
      '[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]',
    ],
  ] as const)
    t.strictSame(await review(given), { user: {}, error })
})

t.test('C86: what is refused is a Status', async t => {
  const { post, get } = await start(t)
  for (const [url, sent, code, reason, message] of [
    [
      reviews,
      {},
      400,
      'BadRequest',
      'token is required for TokenReview in authentication',
    ],
    [
      reviews,
      { spec: { token: 5 } },
      400,
      'BadRequest',
      'TokenReview in version "v1" cannot be handled as a TokenReview: spec.token must be a string, not number',
    ],
    [
      reviews,
      '{"spec": {"token": "hunter2"',
      400,
      'BadRequest',
      "the object provided is unrecognized (must be of type TokenReview): couldn't get version/kind; json parse error",
    ],
    [
      reviews,
      { kind: 'Pod' },
      400,
      'BadRequest',
      'the kind in the data (Pod) does not match the expected kind (TokenReview)',
    ],
    [
      reviews,
      { apiVersion: 'v1' },
      400,
      'BadRequest',
      'the API version in the data (v1) does not match the expected API version (authentication.k8s.io/v1)',
    ],
    [
      requests('nobody'),
      {},
      404,
      'NotFound',
      'serviceaccounts "nobody" not found',
    ],
    [
      requests('robot'),
      { metadata: { name: 'x' } },
      422,
      'Invalid',
      'TokenRequest.authentication.k8s.io "robot" is invalid: metadata.name: Invalid value: "x": must match the service account name if specified',
    ],
    [
      requests('robot'),
      { spec: { expirationSeconds: 599 } },
      422,
      'Invalid',
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
    ],
    [
      requests('robot'),
      { spec: { expirationSeconds: 2 ** 32 + 1 } },
      422,
      'Invalid',
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds',
    ],
    [
      requests('robot'),
      { spec: boundTo('Pod', 'none') },
      404,
      'NotFound',
      'pods "none" not found',
    ],
    [
      requests('default'),
      { spec: boundTo('Pod', 'web') },
      400,
      'BadRequest',
      'cannot bind token for serviceaccount "default" to pod running with different serviceaccount name.',
    ],
    [
      requests('robot'),
      { spec: boundTo('Pod', 'web', { uid: 'old' }) },
      409,
      'Conflict',
      'Operation cannot be fulfilled on Pod "web": the UID in the bound object reference (old) does not match the UID in record. The object might have been deleted and then recreated',
    ],
    [
      requests('robot'),
      { spec: boundTo('ConfigMap', 'x') },
      400,
      'BadRequest',
      'cannot bind token to object of type /v1, Kind=ConfigMap',
    ],
  ] as const) {
    const answer = await post(url, sent)
    t.match(
      { ...answer.body, code: answer.code },
      { kind: 'Status', status: 'Failure', code, reason, message },
      message,
    )
    t.equal(answer.body['message'], message)
  }
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  t.equal((await post(reviews, {}, form)).code, 415)
  t.equal((await post(reviews, ' '.repeat(3 << 20) + '{}')).code, 413)
  t.equal((await get(reviews)).code, 405)
  t.equal((await get(requests('robot'))).code, 405)
})

t.test('C84: the issuer tells how its tokens are verified', async t => {
  const { get, open, token } = await start(t)
  const { body } = await get('/.well-known/openid-configuration')
  t.strictSame(body, {
    issuer,
    jwks_uri: `${issuer}/openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  })
  const { headers } = await open('/openid/v1/jwks')
  t.equal(headers['content-type'], 'application/jwk-set+json')
  const keys = (await get('/openid/v1/jwks')).body as unknown as JSONWebKeySet
  const { payload } = await jwtVerify(
    await token({ audiences: ['vault'] }),
    createLocalJWKSet(keys),
    { issuer, audience: 'vault', currentDate: new Date(apiNow) },
  )
  t.equal(payload.sub, 'system:serviceaccount:default:robot')
})

t.test('C86: discovery has what is created', async t => {
  const { get } = await start(t)
  const listed = async (path: string): Promise<readonly JsonObject[]> =>
    items((await get(path)).body, 'resources')
  t.match(
    (await listed('/api/v1')).find(
      ({ name }) => name === 'serviceaccounts/token',
    ),
    { kind: 'TokenRequest', group: 'authentication.k8s.io', verbs: ['create'] },
  )
  t.match(await listed('/apis/authentication.k8s.io/v1'), [
    { name: 'tokenreviews', kind: 'TokenReview', namespaced: false },
  ])
})
