import {
  emulated,
  ignored,
  listOf,
  one,
  strings,
  struct,
  supported,
} from './struct.ts'

const noLabel = 'not applied: the container has the label of podfs itself'
const notLinux = 'there is no Windows here'
const runAsUser = supported('int64')
const runAsGroup = supported('int64')
const runAsNonRoot = supported('boolean')

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
  seLinuxOptions: ignored(one(seLinuxOptions), noLabel),
  seccompProfile: emulated(
    one(profile('SeccompProfile')),
    'brings no_new_privs with it; needs setpriv of util-linux 2.40 or perl, and where neither is it is told at the start that it is not enforced',
  ),
  appArmorProfile: ignored(
    one(profile('AppArmorProfile')),
    'not applied: the container has the profile of podfs itself',
  ),
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
  runAsNonRoot,
  fsGroup: supported('int64'),
  supplementalGroups: supported({ list: 'int64' }),
  supplementalGroupsPolicy: supported('string', { pointer: true }),
  fsGroupChangePolicy: supported('string', { pointer: true }),
  seLinuxChangePolicy: ignored('string', noLabel, { pointer: true }),
  sysctls: supported(
    listOf(
      struct('Sysctl', {
        name: supported('string'),
        value: supported('string'),
      }),
    ),
  ),
  ...notDone,
})

export const containerSecurityContext = struct('SecurityContext', {
  runAsUser,
  runAsGroup,
  runAsNonRoot,
  capabilities: supported(
    one(
      struct('Capabilities', {
        add: supported(strings),
        drop: supported(strings),
      }),
    ),
  ),
  privileged: supported('boolean'),
  readOnlyRootFilesystem: supported('boolean'),
  allowPrivilegeEscalation: supported('boolean'),
  procMount: supported('string', { pointer: true }),
  ...notDone,
})
