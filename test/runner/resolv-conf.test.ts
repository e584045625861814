import t from 'tap'
import { podResolvConf } from '../../src/runner/launch/resolv-conf.ts'
import type { PodSpec } from '../../src/api/types.ts'
import { makePod } from '../helpers/make-objects.ts'

/*
 * resolv.conf as a kubelet and containerd write it; the first two are recordings of them.
 */

const machine =
  '# mine\nsearch corp.example. .\nnameserver 10.0.0.1\noptions edns0 timeout:2\n'

const conf = (
  spec: Partial<PodSpec>,
  { hasServices = true, host = machine } = {},
) =>
  podResolvConf(makePod({ namespace: 'vec', spec }), {
    clusterDomain: 'cluster.local',
    nameserver: hasServices ? '10.96.0.10' : undefined,
    machine: () => host,
  })

const config = {
  nameservers: ['10.9.9.9'],
  searches: ['a.example', 'b.example'],
  options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
}

t.test('as recorded', async t => {
  t.equal(
    conf({}, { host: '' }),
    'search vec.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n',
  )
  t.equal(
    conf({ dnsPolicy: 'None', dnsConfig: config }),
    'search a.example b.example\nnameserver 10.9.9.9\noptions ndots:2 edns0\n',
  )
})

t.test('dnsPolicy and dnsConfig', async t => {
  const cluster =
    'search vec.svc.cluster.local svc.cluster.local cluster.local corp.example .'
  t.equal(
    conf({ dnsPolicy: 'ClusterFirst' }),
    `${cluster}\nnameserver 10.96.0.10\noptions ndots:5\n`,
  )
  t.equal(
    conf({ dnsConfig: config }),
    `${cluster} a.example b.example\nnameserver 10.96.0.10\nnameserver 10.9.9.9\noptions ndots:2 edns0\n`,
  )
  t.equal(conf({ dnsPolicy: 'Default' }), undefined, "the machine's")
  t.equal(
    conf({ dnsPolicy: 'Default', dnsConfig: config }),
    'search corp.example . a.example b.example\nnameserver 10.0.0.1\nnameserver 10.9.9.9\noptions edns0 timeout:2 ndots:2\n',
  )
  t.equal(conf({ hostNetwork: true }), undefined)
  t.match(
    conf({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }),
    /^nameserver 10\.96\.0\.10$/m,
  )
})

t.test('without a Service there is nobody to ask', async t => {
  const none = { hasServices: false }
  t.equal(conf({}, none), conf({ dnsPolicy: 'Default' }))
  t.match(conf({ dnsConfig: config }, none), /^nameserver 10\.0\.0\.1$/m)
  t.match(conf({ dnsPolicy: 'None', dnsConfig: config }, none), /^search a/)
})

t.test('no more than a resolver reads', async t => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => `n${i}`)
  const text = conf({
    dnsPolicy: 'None',
    dnsConfig: { nameservers: many(5), searches: many(40) },
  })
  t.equal(text?.match(/nameserver/g)?.length, 3)
  t.equal(text?.split('\n')[0]?.split(' ').length, 33)
})
