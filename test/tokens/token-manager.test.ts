import t from 'tap'
import type { ServiceAccountTokenProjection } from '../../src/api/types.ts'
import type { TokenRequest } from '../../src/tokens/token-issuer.ts'
import {
  TokenManager,
  type TokenManagerOptions,
} from '../../src/tokens/token-manager.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { makeNode, makePod } from '../helpers/make-objects.ts'

const seconds = 1000
const hours = 3600 * seconds

/** Tokens are `1`, `2`, ...; `failing` makes the next ones fail. */
class CountingIssuer {
  readonly requests: TokenRequest[] = []
  failing = false

  async issue(request: TokenRequest, now: number) {
    this.requests.push(request)
    if (this.failing) throw new Error('no issuer')
    return {
      token: String(this.requests.length),
      expiresAt:
        Math.floor(now / 1000) * 1000 + request.expirationSeconds * 1000,
    }
  }
}

function makeManager(options: TokenManagerOptions = {}) {
  const clock = new FakeClock()
  const issuer = new CountingIssuer()
  const manager = new TokenManager(issuer, clock, {
    random: () => 0,
    ...options,
  })
  const ask = async (
    expirationSeconds: number,
    source: Partial<ServiceAccountTokenProjection> = {},
    pod = makePod(),
  ) => {
    const projection = { path: 'token', expirationSeconds, ...source }
    const tokens = await manager.tokensFor({
      pod,
      node: makeNode(),
      sources: [projection],
    })
    const token = tokens.of(projection)
    return {
      token: token instanceof Error ? token.message : token,
      nextRefresh: tokens.nextRefresh ?? Number.NaN,
    }
  }
  return { clock, issuer, manager, ask }
}

t.test('C83 renews after 80 % of a life or a day', async t => {
  const rows = [
    { name: '600 s', expirationSeconds: 600, dueAt: 480 * seconds },
    {
      name: '601 s: whole seconds',
      expirationSeconds: 601,
      dueAt: 481 * seconds,
    },
    { name: '1 hour', expirationSeconds: 3600, dueAt: 2880 * seconds },
    { name: '30 hours', expirationSeconds: 30 * 3600, dueAt: 24 * hours },
    { name: 'a year', expirationSeconds: 365 * 86400, dueAt: 24 * hours },
  ]
  const jitters = [
    { random: 0, earlier: 0 },
    { random: 0.55, earlier: 5 * seconds },
    { random: 0.999, earlier: 9 * seconds },
  ]
  for (const { name, expirationSeconds, dueAt } of rows)
    for (const { random, earlier } of jitters)
      t.test(`${name}, ${earlier} ms of jitter`, async t => {
        const { clock, ask } = makeManager({ random: () => random })
        t.equal((await ask(expirationSeconds)).token, '1')
        await clock.advance(dueAt - earlier)
        t.equal((await ask(expirationSeconds)).token, '1', 'not before')
        await clock.advance(1)
        t.equal((await ask(expirationSeconds)).token, '2')
      })
})

t.test('nextRefresh is a moment at which a token is renewed', async t => {
  const { clock, ask } = makeManager()
  for (let token = 1; token <= 3; token++) {
    const { nextRefresh, ...given } = await ask(600)
    t.equal(given.token, String(token))
    await clock.advance(nextRefresh - clock.now() - 1)
    t.equal((await ask(600)).token, String(token), 'and not a moment earlier')
    await clock.advance(1)
  }
})

t.test('nextRefresh of several tokens is the earliest', async t => {
  const { clock, manager } = makeManager()
  const request = { pod: makePod(), node: makeNode() }
  const { nextRefresh } = await manager.tokensFor({
    ...request,
    sources: [3600, 600, 7200].map(expirationSeconds => ({
      path: String(expirationSeconds),
      expirationSeconds,
    })),
  })
  t.equal(nextRefresh, clock.now() + 480 * seconds + 1)
  const none = await manager.tokensFor({ ...request, sources: [] })
  t.equal(none.nextRefresh, undefined, 'a volume without tokens')
})

t.test('when issuing fails', async t => {
  const failures: string[] = []
  const { clock, issuer, ask } = makeManager({
    onFailure: (error, { pod }) =>
      failures.push(`${pod.name} ${error.message}`),
  })
  await ask(600)
  await clock.advance(500 * seconds)
  issuer.failing = true
  const kept = await ask(600)
  t.equal(kept.token, '1', 'the old token is served while it is valid')
  t.equal(kept.nextRefresh, clock.now() + 10 * seconds, 'and tried again soon')
  await clock.advance(100 * seconds - 1)
  t.equal((await ask(600)).token, '1', 'to its last moment')
  await clock.advance(1)
  t.equal((await ask(600)).token, 'no issuer', 'and not longer')
  t.strictSame(failures, Array(3).fill('pod no issuer'))
  issuer.failing = false
  t.equal((await ask(600)).token, '5', 'a new one as soon as there is one')
})

t.test('what has a token of its own', async t => {
  const { ask, issuer } = makeManager()
  t.equal((await ask(600)).token, '1')
  t.equal((await ask(600, { path: 'other' })).token, '1', 'not another path')
  t.equal((await ask(601)).token, '2', 'another lifetime')
  t.equal((await ask(600, { audience: 'vault' })).token, '3', 'an audience')
  t.equal(
    (await ask(600, {}, makePod({ uid: 'u2' }))).token,
    '4',
    'another Pod of the same name',
  )
  t.equal(
    (await ask(600, {}, makePod({ spec: { serviceAccountName: 'sa' } }))).token,
    '5',
    'another service account',
  )
  t.match(issuer.requests[2], {
    namespace: 'default',
    serviceAccount: { name: 'default' },
    pod: { name: 'pod', uid: 'pod-uid' },
    node: { name: 'node', uid: 'node-uid' },
    audiences: ['vault'],
    expirationSeconds: 600,
  })
})

t.test('asked twice at once, issues once', async t => {
  const { ask } = makeManager()
  const two = await Promise.all([ask(600), ask(600)])
  t.strictSame(
    two.map(({ token }) => token),
    ['1', '1'],
  )
})

t.test('forgetPod', async t => {
  const { ask, manager } = makeManager()
  await ask(600)
  manager.forgetPod('another-uid')
  t.equal((await ask(600)).token, '1')
  manager.forgetPod('pod-uid')
  t.equal((await ask(600)).token, '2')
})

t.test('a source that was not asked for', async t => {
  const { manager } = makeManager()
  const tokens = await manager.tokensFor({
    pod: makePod(),
    node: makeNode(),
    sources: [],
  })
  t.type(tokens.of({ path: 'x', expirationSeconds: 600 }), Error)
})
