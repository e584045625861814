import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { part, text, type JsonObject } from '../../src/api/json.ts'
import { askSocket } from '../helpers/ask-socket.ts'
import {
  container,
  list,
  lookFromPod,
  object,
  volume,
  writer,
  type Json,
} from '../helpers/conformance-pod.ts'
import {
  eventually,
  podfs,
  startPodfs,
  runtimeDirectory,
  stateDirectory,
} from '../helpers/podfs.ts'

/* Tokens and service accounts (C79 to C87) as the processes of a real Pod see them. */

const issuer = 'https://kubernetes.default.svc.cluster.local'
const place = '/var/run/secrets/kubernetes.io/serviceaccount'
const keySet = `${stateDirectory}/service-account-keys.json`
const jwt = /^([A-Za-z0-9_-]+\.){2}[A-Za-z0-9_-]+$/

interface KubeClaims {
  readonly namespace: string
  readonly pod: { readonly name: string }
  readonly serviceaccount: { readonly name: string }
  readonly node: { readonly name: string }
  readonly warnafter: number
}

async function claimsOf(token: string, audience: string) {
  const keys = JSON.parse(await readFile(keySet, 'utf8')) as JSONWebKeySet
  const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
    issuer,
    audience,
  })
  return payload
}

const serviceAccount = (name: string, more: Json = {}): Json => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name },
  ...more,
})

t.test('the automatic volume and a token', { skip: cannotStart() }, async t => {
  let token = ''
  let projected = ''
  await lookFromPod(t, {
    metadata: { name: 'tokens', namespace: 'ns' },
    objects: [
      serviceAccount('robot', {
        metadata: { name: 'robot', namespace: 'ns' },
      }),
    ],
    spec: {
      serviceAccountName: 'robot',
      initContainers: [
        {
          name: 'init',
          image: 'busybox',
          command: ['test', '-s', `${place}/token`],
        },
      ],
    },
    looks: [
      {
        ids: 'C79',
        what: 'namespace, without a newline; files 0644; read-only',
        see: `cd ${place}; cat namespace; stat -L -c ' %n %a %u:%g' *; { echo x > new; } 2>/dev/null || printf refused`,
        expect:
          'ns ca.crt 644 0:0\n namespace 644 0:0\n token 644 0:0\nrefused',
      },
      {
        ids: 'C79 C85',
        what: 'ca.crt is that of ConfigMap kube-root-ca.crt, which nobody made',
        volumes: [volume.configMap('kube-root-ca.crt')],
        see: `cmp ${place}/ca.crt $V/ca.crt && cat $V/ca.crt`,
        expect:
          /^-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n$/,
        onSeen: text => {
          t.ok(new X509Certificate(text).ca)
        },
      },
      {
        ids: 'C79',
        what: 'the token is a JWT',
        see: `cat ${place}/token`,
        expect: jwt,
        onSeen: text => {
          token = text
        },
      },
      {
        ids: 'C81',
        what: 'a projected token with an audience and a lifetime',
        volumes: [
          volume.projected([
            {
              serviceAccountToken: {
                path: 'here/token',
                audience: 'vault',
                expirationSeconds: 600,
              },
            },
          ]),
        ],
        see: 'cat $V/here/token',
        expect: jwt,
        onSeen: text => {
          projected = text
        },
      },
    ],
  })
  await t.test('C79: the token says who it is, and verifies', async t => {
    const { exp = 0, iat = 0, ...claims } = await claimsOf(token, issuer)
    t.equal(claims.sub, 'system:serviceaccount:ns:robot')
    const kube = claims['kubernetes.io'] as KubeClaims
    t.equal(kube.namespace, 'ns')
    t.equal(kube.pod.name, 'tokens')
    t.equal(kube.serviceaccount.name, 'robot')
    t.ok(kube.node.name)
    t.ok(claims.jti)
    t.equal(exp - iat, 365 * 24 * 3600, 'for programs that read it once')
    t.equal(kube.warnafter, iat + 3607)
  })
  await t.test('C81: the projected token verifies too', async t => {
    const { aud, exp = 0, iat = 0 } = await claimsOf(projected, 'vault')
    t.strictSame(aud, ['vault'])
    t.equal(exp - iat, 600)
  })
})

t.test('C80: a ServiceAccount opts out', { skip: cannotStart() }, async t => {
  await lookFromPod(t, {
    objects: [
      serviceAccount('default', { automountServiceAccountToken: false }),
    ],
    looks: [
      { what: 'and so does its Pod', see: `ls ${place}`, expect: /No such/ },
    ],
  })
})

t.test('C80: the Pod opts in again', { skip: cannotStart() }, async t => {
  await lookFromPod(t, {
    objects: [
      serviceAccount('default', { automountServiceAccountToken: false }),
    ],
    spec: { automountServiceAccountToken: true },
    looks: [
      {
        what: 'the Pod counts',
        see: `ls ${place}`,
        expect: 'ca.crt\nnamespace\ntoken\n',
      },
    ],
  })
})

t.test('C85: kube-root-ca.crt in env', { skip: cannotStart() }, async t => {
  const dir = t.testdir()
  const name = 'kube-root-ca.crt'
  await writer(dir)(
    'pod.json',
    object.pod(
      {},
      {
        containers: [
          container('main', 'echo "$CA" | head -n 1', {
            env: [
              {
                name: 'CA',
                valueFrom: { configMapKeyRef: { name, key: 'ca.crt' } },
              },
            ],
          }),
        ],
      },
    ),
  )
  t.match(await podfs(t, ['run', '-f', dir]), {
    code: 0,
    stdout: 'main | -----BEGIN CERTIFICATE-----\n',
  })
})

t.test('C85: kube-root-ca.crt comes back', { skip: cannotStart() }, async t => {
  await lookFromPod(t, {
    objects: [object.configMap('kube-root-ca.crt', { 'ca.crt': 'mine' })],
    looks: [
      {
        ids: 'C85',
        what: 'one of the input is used; when it is gone, the usual one is there',
        see: `head -c 27 ${place}/ca.crt`,
        expect: 'mine',
        after: '-----BEGIN CERTIFICATE-----',
      },
    ],
    change: { remove: ['kube-root-ca.crt'] },
  })
})

t.test('whose a token is', { skip: cannotStart() }, async t => {
  const dir = t.testdir()
  const pod = (name: string): Json =>
    object.pod(
      { name },
      {
        serviceAccountName: 'robot',
        terminationGracePeriodSeconds: 0,
        containers: [
          container(name, `cat ${place}/token; echo; exec sleep 1000000`),
        ],
      },
    )
  const write = writer(dir)
  await write('a.json', pod('a'))
  await write('b.json', pod('b'))
  const run = startPodfs(t, ['run', '-f', dir, '--all'])
  const tokenOf = async (name: string): Promise<string> => {
    const line = new RegExp(`^${name}/${name} +\\| (\\S+)$`, 'm')
    return (await run.saw(line))[1] ?? ''
  }
  const token = await tokenOf('a')
  await tokenOf('b')
  const socket = `${runtimeDirectory}/run-${run.pid}/api.sock`
  await eventually(() => existsSync(socket))
  const ask = async (url: string, sent?: Json): Promise<JsonObject> => {
    const text = await askSocket(socket, url, sent && JSON.stringify(sent))
    return JSON.parse(text) as JsonObject
  }
  const review = async (token: string): Promise<JsonObject> =>
    part(
      await ask('/apis/authentication.k8s.io/v1/tokenreviews', {
        spec: { token },
      }),
      'status',
    )
  const authenticated = {
    authenticated: true,
    audiences: [issuer],
    user: {
      username: 'system:serviceaccount:default:robot',
      groups: [
        'system:serviceaccounts',
        'system:serviceaccounts:default',
        'system:authenticated',
      ],
    },
  }
  await t.test('C79: the Pod’s own token says which Pod it is', async t => {
    const status = await review(token)
    t.match(status, authenticated)
    const extra = part(part(status, 'user'), 'extra')
    t.match(extra, {
      'authentication.kubernetes.io/credential-id': [/^JTI=/],
      'authentication.kubernetes.io/node-name': [hostname().toLowerCase()],
      'authentication.kubernetes.io/node-uid': [/./],
      'authentication.kubernetes.io/pod-name': ['a'],
      'authentication.kubernetes.io/pod-uid': [/./],
    })
  })
  await t.test('C84: it verifies with what the issuer tells', async t => {
    const found = await ask('/.well-known/openid-configuration')
    t.equal(found['issuer'], issuer)
    const { pathname } = new URL(text(found['jwks_uri']))
    const keys = (await ask(pathname)) as unknown as JSONWebKeySet
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
      issuer,
      audience: issuer,
    })
    t.equal(payload.sub, 'system:serviceaccount:default:robot')
  })
  await t.test('C86: a token that is asked for is reviewed', async t => {
    const requested = await ask(
      '/api/v1/namespaces/default/serviceaccounts/robot/token',
      { spec: { expirationSeconds: 600 } },
    )
    t.match(
      await review(text(part(requested, 'status')['token'])),
      authenticated,
    )
  })
  await t.test('C86: the token of a Pod that is gone is none', async t => {
    await rm(path.join(dir, 'a.json'))
    await run.saw(/Pod default\/a has ended/, 'stderr')
    t.match(await review(token), {
      authenticated: undefined,
      error:
        '[invalid bearer token, service account token has been invalidated]',
    })
  })
})

t.test(
  'C83: a token is renewed in its file',
  { skip: cannotStart() },
  async t => {
    const dir = t.testdir()
    await writer(dir)(
      'pod.json',
      object.pod(
        {},
        {
          automountServiceAccountToken: false,
          containers: [
            container(
              'main',
              `for n in 1 2 3; do now=$(cat /v/token); echo "$n $now"
until [ "$(cat /v/token)" != "$now" ]; do sleep 0.02; done; done`,
              { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
            ),
          ],
          volumes: [
            {
              name: 'v',
              ...volume.projected([
                {
                  serviceAccountToken: {
                    path: 'token',
                    audience: 'vault',
                    // The shortest there is.
                    expirationSeconds: 600,
                  },
                },
              ]),
            },
          ],
        },
      ),
    )
    const clock = path.resolve('test/fixtures/asleep-clock.cjs')
    const run = startPodfs(t, ['run', '-f', dir], {
      env: { NODE_OPTIONS: `--require "${clock}"` },
    })
    const { stdout, code } = await run.ended
    t.equal(code, 0)
    const tokens = [...stdout.matchAll(/\| \d (\S+)$/gm)].map(([, x = '']) => x)
    t.equal(tokens.length, 3)
    const issued = tokens.map(token => {
      const [, claims = ''] = token.split('.')
      return JSON.parse(Buffer.from(claims, 'base64url').toString()) as {
        iat: number
      }
    })
    const ages = issued
      .slice(1)
      .map(({ iat }, i) => iat - (issued[i]?.iat ?? 0))
    for (const age of ages) {
      // A slow reader may have missed one.
      const each = age / Math.max(Math.round(age / 480), 1)
      t.ok(each >= 470 && each <= 490, `after 80 % of 600 s: ${age} s`)
    }
  },
)

t.test(
  'C87: a ServiceAccount has no Secret',
  { skip: cannotStart() },
  async t => {
    const dir = t.testdir()
    await writer(dir)('account.json', list([serviceAccount('robot')]))
    const { code, stderr } = await podfs(t, [
      'mount',
      '-f',
      dir,
      '--secret',
      'robot-token',
      path.join(dir, 'mnt'),
    ])
    t.equal(code, 2)
    t.equal(stderr, 'error: no Secret default/robot-token\n', 'nor any other')
  },
)
