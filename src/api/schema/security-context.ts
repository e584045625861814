import {
  emulated,
  ignored,
  listOf,
  one,
  strings,
  struct,
  supported,
} from './struct.ts'

const volumesKeepLabels =
  'as by a container run-time, nothing where the machine has no SELinux; where it has, the processes get the label, and volumes keep theirs'
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

/** What Pod and container have in common, and what it is here is not all that it is elsewhere. */
const common = {
  seLinuxOptions: emulated(one(seLinuxOptions), volumesKeepLabels),
  seccompProfile: emulated(
    one(profile('SeccompProfile')),
    'brings no_new_privs with it; needs setpriv of util-linux 2.40 or perl, and where neither is it is told at the start that it is not enforced',
  ),
  appArmorProfile: emulated(
    one(profile('AppArmorProfile')),
    'a machine without AppArmor does not run Localhost, and RuntimeDefault has no effect there, which is told at the start; else it is the loaded default profile of containerd, CRI-O or Docker; needs aa-exec, of the package apparmor',
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
  seLinuxChangePolicy: emulated(
    'string',
    'volumes keep the labels that they have',
    { pointer: true },
  ),
  sysctls: supported(
    listOf(
      struct('Sysctl', {
        name: supported('string'),
        value: supported('string'),
      }),
    ),
  ),
  ...common,
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
  ...common,
})
