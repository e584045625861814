import t from 'tap'

import { podHostname } from '../../src/runner/launch/hostname.ts'
import { makePod } from '../helpers/make-objects.ts'

const domain = 's.ns.svc.cluster.local'

const cases = [
  {
    name: 'C184: the name of the Pod',
    spec: {},
    expected: { hostname: 'p', domain: '', kernelHostname: 'p' },
  },
  {
    name: 'C182: spec.hostname',
    spec: { hostname: 'h' },
    expected: { hostname: 'h', domain: '', kernelHostname: 'h' },
  },
  {
    name: 'C185: setHostnameAsFQDN without a subdomain does nothing',
    spec: { setHostnameAsFQDN: true },
    expected: { hostname: 'p', domain: '', kernelHostname: 'p' },
  },
  {
    name: 'C186: a subdomain, the hostname stays short',
    spec: { subdomain: 's' },
    expected: { hostname: 'p', domain, kernelHostname: 'p' },
  },
  {
    name: 'C187: setHostnameAsFQDN',
    spec: { subdomain: 's', setHostnameAsFQDN: true },
    expected: { hostname: 'p', domain, kernelHostname: `p.${domain}` },
  },
  {
    name: 'hostnameOverride wins over all of them',
    spec: { hostname: 'h', subdomain: 's', hostnameOverride: 'o.example' },
    expected: {
      hostname: 'o.example',
      domain: '',
      kernelHostname: 'o.example',
    },
  },
  {
    name: 'C183: hostNetwork has the hostname of the machine',
    spec: { hostname: 'h', hostNetwork: true },
    expected: { hostname: 'h', domain: '' },
  },
]

for (const { name, spec, expected } of cases) {
  t.test(name, async t => {
    const pod = makePod({ name: 'p', namespace: 'ns', spec })
    t.same(podHostname(pod), expected)
  })
}

t.test('3.2: 63 characters, no - or . at the end', async t => {
  const long = makePod({ name: 'a'.repeat(70) })
  t.equal(podHostname(long).hostname, 'a'.repeat(63))
  const just = makePod({ name: `${'a'.repeat(60)}--a` })
  t.equal(podHostname(just).hostname, just.metadata.name)
  const inside = makePod({ name: `a-b.${'c'.repeat(70)}` })
  t.equal(podHostname(inside).hostname, `a-b.${'c'.repeat(59)}`)
  const dashed = makePod({ name: `${'a'.repeat(60)}.--b` })
  t.equal(podHostname(dashed).hostname, 'a'.repeat(60))
  const hostnameOverride = `${'a'.repeat(62)}.b`
  const given = makePod({ name: 'p', spec: { hostnameOverride } })
  t.equal(podHostname(given).kernelHostname, 'a'.repeat(62))
})

t.test('C188: an FQDN of more than 64 characters is an error', async t => {
  const most = { subdomain: 's'.repeat(22), setHostnameAsFQDN: true }
  const pod = makePod({ name: 'p'.repeat(15), spec: most })
  t.equal(podHostname(pod).kernelHostname?.length, 64)
  const spec = { subdomain: 's'.repeat(30), setHostnameAsFQDN: true }
  t.throws(() => podHostname(makePod({ name: 'p'.repeat(30), spec })), {
    code: 'HOSTNAME_TOO_LONG',
    message:
      /is too long \(64 characters is the max, 87 characters requested\)/,
  })
})
