import { isAtLeast, resendSince } from '../../linux/is-at-least.ts'
import { shellWord } from '../../util/shell-word.ts'
import { networkPackages } from '../pod-network-provider.ts'
import { missing, ok, warning, type Check } from './check.ts'
import type { MachineFacts } from './machine-facts.ts'

/**
 * What the facts mean for podfs, in the order in which a person would mend them. Pure.
 */
export function checkMachine(facts: MachineFacts): Check[] {
  return [
    checkUser(facts),
    checkRights(facts),
    checkNode(facts),
    checkCodeCache(facts),
    checkKernel(facts),
    checkFuseDevice(facts),
    checkPrograms(facts),
    checkFilters(facts),
    checkOverlay(facts),
    checkInotify(facts),
    checkLoopback(facts),
    checkPodNetworks(facts),
    checkBusybox(facts),
    checkKustomize(facts),
    checkHelm(facts),
    checkStaleMounts(facts),
    ...checkForOrdinaryUsers(facts),
    ...checkIds(facts),
    ...checkFuseOverlayfs(facts),
    checkCgroups(facts),
  ]
}

function checkUser({ uid, inUserNamespace }: MachineFacts): Check {
  const name = 'user'
  if (uid !== 0)
    return ok(name, `uid ${uid}: Pods run in a user namespace of their own`)
  return ok(
    name,
    inUserNamespace
      ? 'root of a user namespace, in which Pods run, too'
      : 'root',
  )
}

function checkRights({ uid, mayMount }: MachineFacts): Check {
  const name = 'rights'
  if (mayMount) return ok(name, 'CAP_SYS_ADMIN')
  const detail = 'CAP_SYS_ADMIN is not held: nothing can be mounted'
  return uid === 0
    ? missing(
        name,
        detail,
        'in a container: --cap-add SYS_ADMIN --device /dev/fuse; else --backend dir for mount',
      )
    : ok(name, 'an ordinary user’s')
}

/** package.json, engines. */
const oldestNode = [20, 19] as const

function checkNode({ nodeVersion }: MachineFacts): Check {
  if (isAtLeast(nodeVersion, oldestNode)) return ok('node', nodeVersion)
  return missing('node', `${nodeVersion}: podfs needs ${oldestNode.join('.')}`)
}

function checkCodeCache({ nodeVersion, codeCache }: MachineFacts): Check {
  const name = 'code cache'
  if (codeCache.taken) return ok(name, `made by a Node as ${nodeVersion}`)
  return warning(
    name,
    `none of Node ${nodeVersion}: each start compiles podfs, a quarter of its time`,
    codeCache.maker === undefined
      ? 'npm run install:system with this node'
      : `node ${codeCache.maker}`,
  )
}

function checkKernel({ kernelRelease }: MachineFacts): Check {
  if (isAtLeast(kernelRelease, resendSince))
    return ok(
      'kernel',
      `Linux ${kernelRelease}: programs do not notice when a file server is killed`,
    )
  return warning(
    'kernel',
    `Linux ${kernelRelease}: before 6.9 calls under way fail when a file server is killed`,
  )
}

function checkFuseDevice({ fuseDevice }: MachineFacts): Check {
  const name = '/dev/fuse'
  const { mode, openError } = fuseDevice
  if (mode === undefined)
    return missing(
      name,
      openError === 'ENOENT' ? 'not there' : String(openError),
      'sudo modprobe fuse; in a container: --device /dev/fuse --cap-add SYS_ADMIN; else --backend dir',
    )
  if (openError !== undefined)
    return missing(
      name,
      `${octal(mode)}, cannot be opened: ${openError}`,
      // Where all may open it, the mount it is on has no devices.
      openError === 'EACCES' && (mode & 0o006) !== 0o006
        ? 'sudo chmod 0666 /dev/fuse'
        : 'allow the device: for a container --device /dev/fuse; else --backend dir',
    )
  return ok(name, octal(mode))
}

function checkPrograms({ missingPrograms }: MachineFacts): Check {
  if (missingPrograms.length === 0)
    return ok('util-linux', 'mount, umount, setpriv, unshare, nsenter, flock')
  return missing(
    'util-linux',
    `not found: ${missingPrograms.join(', ')}`,
    'sudo apt-get install util-linux mount coreutils',
  )
}

function checkFilters({ filtersSyscalls }: MachineFacts): Check {
  const name = 'seccomp'
  if (filtersSyscalls)
    return ok(
      name,
      'filters of system calls can be loaded: seccompProfile is enforced',
    )
  return warning(
    name,
    'setpriv has no --seccomp-filter, which that of util-linux 2.40 has, and there is no perl: seccompProfile is not enforced',
  )
}

function checkOverlay({ overlay }: MachineFacts): Check {
  if (overlay)
    return ok(
      'overlayfs',
      'containers get /usr, /etc and /var as copies on write',
    )
  return missing(
    'overlayfs',
    'not in /proc/filesystems: containers get /usr, /etc and /var through it',
    'sudo modprobe overlay; or podfs run --host-root',
  )
}

/** Fewer than that, and an editor or a bundler beside podfs uses them up. */
const enoughWatches = 65_536
const enoughInstances = 128

function checkInotify({ inotify }: MachineFacts): Check {
  const { maxUserWatches, maxUserInstances } = inotify
  const detail = `max_user_watches ${maxUserWatches ?? 'unknown'}, max_user_instances ${maxUserInstances ?? 'unknown'}`
  const low = [
    ...((maxUserWatches ?? enoughWatches) < enoughWatches
      ? ['fs.inotify.max_user_watches=524288']
      : []),
    ...((maxUserInstances ?? enoughInstances) < enoughInstances
      ? ['fs.inotify.max_user_instances=1024']
      : []),
  ]
  if (low.length === 0) return ok('inotify', detail)
  return warning(
    'inotify',
    `${detail}: little where editors watch files, too`,
    `sudo sysctl -w ${low.join(' ')}`,
  )
}

function checkLoopback(facts: MachineFacts): Check {
  const { loopbackError, unprivilegedPortStart = 1024 } = facts
  if (loopbackError !== undefined)
    return missing(
      'addresses',
      `cannot listen on an address of 127.0.0.0/8: ${loopbackError}`,
      'sudo ip link set lo up',
    )
  return ok(
    'addresses',
    `127.0.0.0/8 for Pods; ports below ${unprivilegedPortStart} for root only`,
  )
}

function checkPodNetworks(facts: MachineFacts): Check {
  const name = 'pod networks'
  const { uid, missingForNetworks, pasta } = facts
  if (missingForNetworks.length === 0) {
    const detail = 'CNI plugins, ip and iptables: --network pod works'
    if (uid === 0) return ok(name, detail)
    if (pasta !== undefined) return ok(name, `${detail}; ${pasta} leads out`)
    return warning(
      name,
      `${detail}, but for Pods among themselves: without pasta they reach nothing outside`,
      'sudo apt-get install passt',
    )
  }
  if (pasta !== undefined)
    return ok(
      name,
      `${pasta}: --network pod works; not found for CNI: ${missingForNetworks.join(', ')}`,
    )
  return warning(
    name,
    `not found: pasta, ${missingForNetworks.join(', ')}; only --network pod needs them, network host does not`,
    uid === 0
      ? `sudo apt-get install ${networkPackages}; or sudo apt-get install passt`
      : 'sudo apt-get install passt',
  )
}

/** Debian's names. */
const packagesOf: Readonly<Record<string, string>> = {
  nc: 'netcat-openbsd',
  wget: 'wget',
  timeout: 'coreutils',
}

function checkBusybox({ busybox, busyboxLacks }: MachineFacts): Check {
  if (busybox !== undefined && busyboxLacks.length > 0)
    return warning(
      'busybox',
      `${busybox} has no ${busyboxLacks.join(', no ')}, and there is no other program`,
      `sudo apt-get install ${busyboxLacks.map(use => packagesOf[use.split(' ')[0] ?? '']).join(' ')}`,
    )
  if (busybox !== undefined) return ok('busybox', busybox)
  return warning(
    'busybox',
    "not found: containers of the images busybox and alpine run this machine's own sh and tools",
    'sudo apt-get install busybox',
  )
}

function checkKustomize({ renderers }: MachineFacts): Check {
  const found = renderers.find(name => name !== 'helm')
  if (found !== undefined) return ok('kustomize', `${found} renders it for -k`)
  return warning(
    'kustomize',
    'no kubectl and no kustomize; only -k needs one of them',
    'sudo apt-get install kubernetes-client (or see https://kubernetes.io/docs/tasks/tools/)',
  )
}

function checkHelm({ renderers }: MachineFacts): Check {
  if (renderers.includes('helm')) return ok('helm', 'renders charts for --helm')
  return warning(
    'helm',
    'not found; only --helm needs it',
    'see https://helm.sh/docs/intro/install/',
  )
}

function checkStaleMounts({ staleMounts }: MachineFacts): Check {
  const [first] = staleMounts
  if (first === undefined) return ok('stale mounts', 'none')
  return warning(
    'stale mounts',
    `nobody serves ${staleMounts.join(', ')}`,
    `podfs unmount ${shellWord(first)}`,
  )
}

/** What root does not need. */
function checkForOrdinaryUsers(facts: MachineFacts): Check[] {
  const { uid, fusermount3, userAllowOther } = facts
  const judge = uid === 0 ? warning : missing
  return [
    fusermount3 === undefined
      ? judge(
          'fusermount3',
          uid === 0
            ? 'not found; root does not need it'
            : 'not found: podfs mount of an ordinary user needs it',
          'sudo apt-get install fuse3',
        )
      : ok('fusermount3', fusermount3),
    ok(
      'fuse.conf',
      userAllowOther
        ? 'user_allow_other: ordinary users may use --allow-other'
        : 'no user_allow_other: only root may use --allow-other',
    ),
    checkUserNamespaces(facts),
  ]
}

function checkUserNamespaces(facts: MachineFacts): Check {
  const name = 'user namespaces'
  const { uid, userNamespaces, fuseDevice } = facts
  const { max, forbiddenBy, refusal } = userNamespaces
  if (uid === 0 && (forbiddenBy !== undefined || max === 0))
    return warning(
      name,
      'forbidden to ordinary users; of root only privileged containers need them',
      allowing(forbiddenBy),
    )
  if (uid === 0 || refusal === undefined)
    return ok(
      name,
      `up to ${max ?? 'an unknown number'}; /dev/fuse is ${octal(fuseDevice.mode ?? 0)}`,
    )
  const isForbidden = forbiddenBy !== undefined || max === 0
  return missing(
    name,
    `none can be made, and Pods of an ordinary user need one: ${refusal}`,
    isForbidden
      ? allowing(forbiddenBy)
      : 'in a container: --security-opt seccomp=unconfined, or --privileged',
  )
}

/** The switches of the kernel, of Debian and of Ubuntu. */
function allowing(forbiddenBy: string | undefined): string {
  switch (forbiddenBy) {
    case undefined:
      return 'sudo sysctl -w user.max_user_namespaces=10000'
    case 'kernel.apparmor_restrict_unprivileged_userns':
      return `sudo sysctl -w ${forbiddenBy}=0; or sudo npm run install:system, which brings a profile for AppArmor`
    default:
      return `sudo sysctl -w ${forbiddenBy}=1`
  }
}

function checkIds({ uid, idsLack }: MachineFacts): Check[] {
  const name = 'user ids'
  if (uid === 0) return []
  return [
    idsLack === undefined
      ? ok(name, 'a range of them: runAsUser and fsGroup mean what they say')
      : warning(
          name,
          `one, and one group: Pods that ask for others do not start: ${idsLack.why}`,
          idsLack.fix,
        ),
  ]
}

function checkFuseOverlayfs({ uid, fuseOverlayfs }: MachineFacts): Check[] {
  const name = 'fuse-overlayfs'
  if (uid === 0) return []
  return [
    fuseOverlayfs === undefined
      ? warning(
          name,
          'not found: containers can replace files in /usr, /var and /opt, not change them in place',
          'sudo apt-get install fuse-overlayfs',
        )
      : ok(
          name,
          `${fuseOverlayfs}: containers can change files in /var, /opt and /usr, but for programs and libraries`,
        ),
  ]
}

function checkCgroups({ cgroups }: MachineFacts): Check {
  const name = 'cgroups'
  const { hierarchies, lack } = cgroups
  const found = hierarchies
    .filter(({ controllers }) => controllers.length > 0)
    .map(
      ({ version, base, controllers }) =>
        `v${version}, ${controllers.join(' ')} at ${base}`,
    )
  if (lack === undefined)
    return ok(name, `limits are enforced: ${found.join('; ')}`)
  return warning(
    name,
    [`limits of Pods are only emulated: ${lack.why}`, ...found].join('; '),
    lack.fix,
  )
}

function octal(mode: number): string {
  return `mode ${mode.toString(8).padStart(4, '0')}`
}
