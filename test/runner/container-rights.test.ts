import t from 'tap'
import { containerRights } from '../../src/runner/launch/container-rights.ts'
import {
  allCapabilities,
  defaultCapabilities,
} from '../../src/linux/capabilities.ts'
import { makeContainer, makePod, usualPolicy } from '../helpers/make-objects.ts'

const rights = (securityContext?: object) =>
  containerRights(
    makePod(),
    makeContainer({ ...(securityContext && { securityContext }) }),
    usualPolicy,
  )
const names = (add: string[], drop: string[] = []) =>
  rights({ capabilities: { add, drop } }).capabilities.toSorted()

t.same(rights(), {
  privileged: false,
  capabilities: allCapabilities.filter(name =>
    defaultCapabilities.includes(name),
  ),
})
t.same(rights({ privileged: true, capabilities: { drop: ['ALL'] } }), {
  privileged: true,
  capabilities: allCapabilities,
})
t.same(
  names(['NET_ADMIN', 'cap_sys_time'], ['CAP_CHOWN']),
  [...defaultCapabilities, 'NET_ADMIN', 'SYS_TIME']
    .filter(name => name !== 'CHOWN')
    .toSorted(),
)
t.same(names(['KILL'], ['all']), ['KILL'])
t.same(names(['ALL'], ['CHOWN']).length, allCapabilities.length - 1)
t.same(names(['ALL'], ['ALL']), [])
t.same(names(['KILL'], ['KILL', 'ALL']), [])
t.match(rights({ allowPrivilegeEscalation: false }), { noNewPrivileges: true })
t.notMatch(rights({ allowPrivilegeEscalation: true }), {
  noNewPrivileges: true,
})
t.match(rights({ readOnlyRootFilesystem: true, privileged: true }), {
  readOnlyRoot: true,
})
t.match(rights({ procMount: 'Unmasked' }), { unmasked: true })
const filtered = (own?: object, privileged = false) =>
  containerRights(
    makePod({
      spec: { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } },
    }),
    makeContainer({
      securityContext: { privileged, ...(own && { seccompProfile: own }) },
    }),
    usualPolicy,
  ).seccomp
t.equal(filtered(), 'RuntimeDefault')
t.equal(filtered({ type: 'Unconfined' }), undefined)
t.equal(filtered(undefined, true), undefined)
t.same(filtered({ type: 'Localhost', localhostProfile: 'a/b.json' }), {
  profile: '/var/lib/podfs/seccomp/a/b.json',
})
t.throws(
  () =>
    containerRights(
      makePod(),
      makeContainer({ securityContext: { privileged: true } }),
      { ...usualPolicy, privileged: 'refuse' },
    ),
  { code: 'CONTAINER_CONFIG', message: /privileged: refuse/ },
)
t.throws(() => names([], ['KILLCAP_']), {
  message:
    'securityContext.capabilities.drop[0]: no capability is called "KILLCAP_"',
})
t.throws(() => names(['KILL', 'FLY']), {
  code: 'CONTAINER_CONFIG',
  message: 'securityContext.capabilities.add[1]: no capability is called "FLY"',
})
