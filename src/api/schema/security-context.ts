import {
  emulated,
  ignored,
  listOf,
  one,
  strings,
  struct,
  supported,
} from './struct.ts'

const notFenced = 'not enforced yet: the process keeps what its user may do'
const notLinux = 'there is no Windows here'
const runAsUser = supported('int64')
const runAsGroup = supported('int64')

const seLinuxOptions = struct('SELinuxOptions', {
  user: supported('string'),
  role: supported('string'),
  type: supported('string'),
  level: supported('string'),
})

const profile = (name: string) =>
  struct(name, {
    type: supported('string'),
    localhostProfile: supported('string', { pointer: true }),
  })

/** What Pod and container have in common and podfs does not do. */
const notDone = {
  runAsNonRoot: ignored('boolean', notFenced),
  seLinuxOptions: ignored(one(seLinuxOptions), notFenced),
  seccompProfile: ignored(one(profile('SeccompProfile')), notFenced),
  appArmorProfile: ignored(one(profile('AppArmorProfile')), notFenced),
  windowsOptions: ignored(
    one(
      struct('WindowsSecurityContextOptions', {
        gmsaCredentialSpecName: supported('string', { pointer: true }),
        gmsaCredentialSpec: supported('string', { pointer: true }),
        runAsUserName: supported('string', { pointer: true }),
        hostProcess: supported('boolean'),
      }),
    ),
    notLinux,
  ),
}

export const podSecurityContext = struct('PodSecurityContext', {
  runAsUser,
  runAsGroup,
  fsGroup: supported('int64'),
  supplementalGroups: supported({ list: 'int64' }),
  supplementalGroupsPolicy: ignored('string', notFenced, { pointer: true }),
  fsGroupChangePolicy: ignored('string', 'fsGroup is always applied', {
    pointer: true,
  }),
  seLinuxChangePolicy: ignored('string', notFenced, { pointer: true }),
  sysctls: ignored(
    listOf(
      struct('Sysctl', {
        name: supported('string'),
        value: supported('string'),
      }),
    ),
    'the kernel settings of this machine stay as they are',
  ),
  ...notDone,
})

export const containerSecurityContext = struct('SecurityContext', {
  runAsUser,
  runAsGroup,
  capabilities: supported(
    one(
      struct('Capabilities', {
        add: supported(strings),
        drop: supported(strings),
      }),
    ),
  ),
  privileged: emulated(
    'boolean',
    'all capabilities that podfs has, and the devices of this machine',
  ),
  readOnlyRootFilesystem: ignored('boolean', notFenced),
  allowPrivilegeEscalation: ignored('boolean', notFenced),
  procMount: ignored('string', notFenced, { pointer: true }),
  ...notDone,
})
