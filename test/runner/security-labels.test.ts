import t from 'tap'
import type {
  SecurityContext,
  PodSecurityContext,
} from '../../src/api/types.ts'
import { readSecurityModules } from '../../src/linux/security-modules.ts'
import type { SecurityModules } from '../../src/linux/security-modules.ts'
import { RunnerError } from '../../src/runner/launch/errors.ts'
import {
  forbiddenAppArmor,
  processLabels,
  withoutProfile,
} from '../../src/runner/launch/security-labels.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

interface Asks {
  readonly own?: SecurityContext
  readonly ofPod?: PodSecurityContext
  /** The annotation of the container's. */
  readonly annotation?: string
}

const beta = 'container.apparmor.security.beta.kubernetes.io'

function asking({ own, ofPod = {}, annotation }: Asks) {
  const container = makeContainer({ ...(own && { securityContext: own }) })
  const pod = makePod({
    ...(annotation !== undefined && {
      annotations: { [`${beta}/main`]: annotation },
    }),
    spec: { containers: [container], securityContext: ofPod },
  })
  return { pod, container }
}

const aaExec = '/usr/bin/aa-exec'
const appArmor = {
  profiles: new Set(['deny-write', 'docker-default', 'crio-default']),
  ownProfile: 'unconfined',
  aaExec,
}
const ubuntu: SecurityModules = { appArmor }
const fedora: SecurityModules = {
  seLinux: { processLabel: 'system_u:system_r:container_t:s0' },
}
const none: SecurityModules = {}

const labels = (asks: Asks, machine: SecurityModules) => {
  const { pod, container } = asking(asks)
  return processLabels(pod, container, () => machine)
}
const forbidden = (asks: Asks, machine: SecurityModules) =>
  forbiddenAppArmor(asking(asks).pod, () => machine)
const told = (asks: Asks, machine: SecurityModules) =>
  withoutProfile(asking(asks).pod, () => machine)

const local = (localhostProfile: string) => ({
  appArmorProfile: { type: 'Localhost', localhostProfile },
})
const runtimeDefault = { appArmorProfile: { type: 'RuntimeDefault' } }
const unconfined = { appArmorProfile: { type: 'Unconfined' } }
const under = (profile: string) => ({ appArmor: { aaExec, profile } })

t.test('nobody looks at the machine for who asks for nothing', async t => {
  const { pod, container } = asking({ own: { runAsUser: 1 } })
  const look = () => t.fail('looked') as never
  t.equal(processLabels(pod, container, look), undefined)
  t.equal(forbiddenAppArmor(pod, look), undefined)
  t.same(withoutProfile(pod, look).containers, [])
})

t.test('AppArmor: whose word counts', async t => {
  const own = local('deny-write')
  t.same(labels({ own }, ubuntu), under('deny-write'))
  t.same(labels({ ofPod: own }, ubuntu), under('deny-write'))
  t.same(labels({ own, ofPod: unconfined }, ubuntu), under('deny-write'))
  t.equal(labels({ own: unconfined, ofPod: own }, ubuntu), undefined)
  const annotation = 'localhost/deny-write'
  t.same(labels({ annotation }, ubuntu), under('deny-write'))
  t.same(
    labels({ annotation, ofPod: local('other') }, ubuntu),
    under('deny-write'),
  )
  t.equal(labels({ annotation, own: unconfined }, ubuntu), undefined)
  t.equal(labels({ annotation: 'unconfined', ofPod: own }, ubuntu), undefined)
  t.same(
    labels({ own: { ...own, privileged: true } }, ubuntu),
    under('deny-write'),
  )
})

t.test('AppArmor: what cannot be had is refused', async t => {
  const says = (message: string) => new RunnerError('CONTAINER_CREATE', message)
  const own = local('missing')
  const start = 'failed to generate apparmor spec opts:'
  t.throws(
    () => labels({ own }, ubuntu),
    says(`${start} apparmor profile not found missing`),
  )
  t.throws(
    () => labels({ own }, none),
    says(`${start} apparmor is not supported`),
  )
  const { aaExec: _, ...withoutTool } = appArmor
  t.throws(
    () => labels({ own: local('deny-write') }, { appArmor: withoutTool }),
    says(
      'cannot run under the AppArmor profile deny-write: this machine has no aa-exec (package apparmor)',
    ),
  )
  const { profiles: __, ...unseen } = appArmor
  t.same(labels({ own }, { appArmor: unseen }), under('missing'))

  const notEnabled =
    'Cannot enforce AppArmor: AppArmor is not enabled on the host'
  for (const asks of [
    { own },
    { ofPod: own, own: unconfined },
    { annotation: 'localhost/x' },
  ]) {
    t.equal(forbidden(asks, none), notEnabled)
    t.equal(forbidden(asks, ubuntu), undefined)
  }
  for (const asks of [
    { own: unconfined },
    { own: runtimeDefault },
    { annotation: 'unconfined' },
    { annotation: 'runtime/default' },
  ])
    t.equal(forbidden(asks, none), undefined)
  const nameless =
    'Cannot enforce AppArmor: invalid empty AppArmor profile name'
  t.equal(forbidden({ annotation: 'localhost/' }, ubuntu), nameless)
})

t.test(
  'AppArmor: RuntimeDefault is another run-time’s, or told of',
  async t => {
    const own = runtimeDefault
    t.same(labels({ own }, ubuntu), under('crio-default'))
    t.same(told({ own }, ubuntu).containers, [])
    const why = (machine: SecurityModules, asks: Asks = { own }) => {
      t.equal(labels(asks, machine), undefined)
      const { containers, why } = told(asks, machine)
      t.same(
        containers.map(({ name }) => name),
        ['main'],
      )
      return why
    }
    t.match(why(none), /has no AppArmor/)
    t.match(why(none, { annotation: 'runtime/default' }), /has no AppArmor/)
    const of = (more: object) => ({ appArmor: { ...appArmor, ...more } })
    t.match(why(of({ profiles: new Set(['podfs']) })), /none .* is loaded/)
    t.match(why(of({ profiles: undefined })), /only root/)
    t.match(why(of({ ownProfile: 'podfs' })), /would not let it end them/)
    t.match(why(of({ aaExec: undefined })), /no aa-exec/)
    const privileged = { own: { ...own, privileged: true } }
    t.equal(labels(privileged, ubuntu), undefined)
    t.same(told(privileged, none).containers, [])
  },
)

t.test('SELinux: the run-time’s label, with what is asked for', async t => {
  const asks = (seLinuxOptions: object) => ({ own: { seLinuxOptions } })
  const label = (options: object) => labels(asks(options), fedora)?.seLinux
  const level = 's0:c123,c456'
  t.equal(label({ level }), `system_u:system_r:container_t:${level}`)
  t.equal(label({ type: 'spc_t' }), 'system_u:system_r:spc_t:s0')
  t.equal(label({ user: 'u', role: 'r', type: 't', level }), `u:r:t:${level}`)
  const ofPod = { seLinuxOptions: { user: 'u', level } }
  t.equal(
    labels({ ...asks({ type: 't' }), ofPod }, fedora)?.seLinux,
    'system_u:system_r:t:s0',
    'the container’s take the place of the Pod’s as a whole',
  )
  t.equal(labels({ ofPod }, none), undefined, 'as a run-time does')
  t.equal(labels({ own: { privileged: true }, ofPod }, fedora), undefined)
  t.throws(() => labels(asks({ level: 's0:x' }), none), {
    code: 'CONTAINER_CREATE',
    message:
      'failed to init selinux options: the format of \'level\' "s0:x" is not correct',
  })
  t.throws(() => labels(asks({ level }), { seLinux: {} }), {
    code: 'CONTAINER_CREATE',
    message: /has no label for containers \(package container-selinux\)/,
  })
})

t.test('what a machine has', async t => {
  t.same(readSecurityModules(t.testdir()), {})
  const module = (enabled: string) => ({
    sys: {
      module: { apparmor: { parameters: { enabled } } },
      kernel: {
        security: {
          apparmor: {
            profiles:
              'docker-default (enforce)\n/usr/bin/man (complain)\npodfs (unconfined)\n',
          },
        },
      },
    },
  })
  t.equal(readSecurityModules(t.testdir(module('N\n'))).appArmor, undefined)
  const attr = (files: Record<string, string | Record<string, string>>) => ({
    ...module('Y\n'),
    proc: { self: { attr: files } },
  })
  const old = attr({ current: 'unconfined\n' })
  const { profiles, ownProfile } =
    readSecurityModules(t.testdir(old)).appArmor ?? {}
  t.same([...(profiles ?? [])], ['docker-default', '/usr/bin/man', 'podfs'])
  t.equal(ownProfile, 'unconfined')
  const newer = attr({
    current: 'system_u:system_r:init_t:s0\0',
    apparmor: { current: 'podfs (unconfined)\n' },
  })
  t.match(readSecurityModules(t.testdir(newer)), {
    appArmor: { ownProfile: 'podfs' },
  })

  const enforce = { fs: { selinux: { enforce: '0' } } }
  const contexts = (policy: string) => ({
    [policy]: {
      contexts: {
        lxc_contexts:
          'process = "system_u:system_r:container_t:s0"\nfile = "f:f:f:s0"\n',
      },
    },
  })
  const seLinux = { processLabel: 'system_u:system_r:container_t:s0' }
  const targeted = { sys: enforce, etc: { selinux: contexts('targeted') } }
  t.same(readSecurityModules(t.testdir(targeted)), { seLinux })
  const mls = {
    sys: enforce,
    etc: { selinux: { config: '#\nSELINUXTYPE=mls\n', ...contexts('mls') } },
  }
  t.same(readSecurityModules(t.testdir(mls)), { seLinux })
  t.same(readSecurityModules(t.testdir({ sys: enforce })), { seLinux: {} })
})
