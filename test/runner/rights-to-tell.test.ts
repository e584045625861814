import t from 'tap'
import { forbiddenSysctl } from '../../src/runner/launch/sysctls.ts'
import { rightsToTell } from '../../src/runner/launch/rights-to-tell.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

const pod = (...names: string[]) =>
  makePod({
    spec: {
      securityContext: { sysctls: names.map(name => ({ name, value: '1' })) },
    },
  })

t.test('what a kubelet refuses', async t => {
  t.equal(forbiddenSysctl(pod(), []), undefined)
  const safe = pod('kernel.shm_rmid_forced', 'net/ipv4/tcp_syncookies')
  t.equal(forbiddenSysctl(safe, []), undefined)
  const unsafe = pod('kernel.shm_rmid_forced', 'kernel/msgmax')
  const refused = 'forbidden sysctl: "kernel.msgmax" not allowlisted'
  t.equal(forbiddenSysctl(unsafe, ['kernel.shm*', 'kernel.msg']), refused)
  for (const allowed of ['kernel.msgmax', 'kernel/msg*', 'kernel.*'])
    t.equal(forbiddenSysctl(unsafe, [allowed]), undefined, allowed)
  t.equal(
    forbiddenSysctl(pod('kernel.core_pattern'), ['kernel.*']),
    'forbidden sysctl: "kernel.core_pattern" not allowlisted',
    'what is not of a namespace is the machine’s',
  )
})

const usual = { filters: true, ownNetwork: false, securityModules: () => ({}) }

t.test('what is told of rights', async t => {
  t.same(rightsToTell(pod('kernel.shm_rmid_forced'), usual), [])
  t.match(rightsToTell(pod('net.ipv4.tcp_syncookies'), usual), [
    /the machine's.*: net.ipv4.tcp_syncookies$/,
  ])
  const own = { ...usual, ownNetwork: true }
  t.same(rightsToTell(pod('net.ipv4.tcp_syncookies'), own), [])
  const privileged = (name: string) =>
    makeContainer({ name, securityContext: { privileged: true } })
  const seccompProfile = { type: 'RuntimeDefault' }
  const mount = { name: 'v', mountPath: '/v', readOnly: false }
  const much = makePod({
    spec: {
      securityContext: { seccompProfile },
      initContainers: [privileged('one')],
      containers: [
        makeContainer({
          volumeMounts: [{ ...mount, mountPropagation: 'Bidirectional' }],
        }),
        makeContainer({
          name: 'free',
          securityContext: { seccompProfile: { type: 'Unconfined' } },
        }),
        privileged('two'),
      ],
    },
  })
  const [first, ...others] = rightsToTell(much, usual)
  t.match(first, /^privileged: one, two can do/)
  t.match(others, [/Bidirectional .* by main$/])
  t.match(
    rightsToTell(much, { ...usual, filters: false })[1],
    /seccompProfile .* for main: .*2\.40/,
  )
  const appArmorProfile = { type: 'RuntimeDefault' }
  const hardened = makePod({ spec: { securityContext: { appArmorProfile } } })
  t.match(rightsToTell(hardened, usual), [
    /^appArmorProfile: RuntimeDefault has no effect on main: .* no AppArmor$/,
  ])
})
