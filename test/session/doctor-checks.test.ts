import t from 'tap'
import { checkMachine } from '../../src/session/machine/checks.ts'
import {
  userAllowOther,
  type MachineFacts,
} from '../../src/session/machine/machine-facts.ts'

const goodMachine: MachineFacts = {
  uid: 0,
  inUserNamespace: false,
  mayMount: true,
  nodeVersion: '20.20.2',
  codeCache: { taken: true, maker: '/src/podfs/src/loader/code-cache.mjs' },
  kernelRelease: '6.18.44-generic',
  fuseDevice: { mode: 0o666, openError: undefined },
  missingPrograms: [],
  filtersSyscalls: true,
  fusermount3: '/usr/bin/fusermount3',
  fuseOverlayfs: '/usr/bin/fuse-overlayfs',
  userAllowOther: true,
  userNamespaces: {
    max: 10_000,
    forbiddenBy: undefined,
    refusal: undefined,
  },
  idsLack: undefined,
  overlay: true,
  cgroups: {
    hierarchies: [
      {
        version: 2,
        base: '/sys/fs/cgroup',
        place: '/',
        controllers: ['memory'],
      },
    ],
  },
  inotify: { maxUserWatches: 500_000, maxUserInstances: 1024 },
  busybox: '/bin/busybox',
  busyboxLacks: [],
  renderers: ['kubectl', 'helm'],
  missingForNetworks: [],
  pasta: undefined,
  staleMounts: [],
  loopbackError: undefined,
  unprivilegedPortStart: 1024,
}

t.test('a machine with everything: nothing to mend', async t => {
  for (const { name, status, fix } of checkMachine(goodMachine)) {
    t.equal(status, 'ok', name)
    t.equal(fix, undefined, name)
  }
})

const ordinary = { uid: 1000, pasta: '/usr/bin/pasta' }
const refusal = 'unshare: unshare failed: No space left on device'

t.test('of an ordinary user either', async t => {
  const checks = checkMachine({ ...goodMachine, ...ordinary })
  for (const { name, status } of checks) t.equal(status, 'ok', name)
  t.match(
    checks.find(({ name }) => name === 'pod networks'),
    { detail: /--network pod works; \/usr\/bin\/pasta leads out$/ },
  )
})

const cases: readonly {
  readonly title: string
  readonly facts: Partial<MachineFacts>
  readonly check: string
  readonly status: 'warning' | 'missing'
  readonly detail: RegExp
  readonly fix?: RegExp
}[] = [
  {
    title: 'no cgroups',
    facts: {
      cgroups: {
        hierarchies: [
          { version: 2, base: '/c', place: '/', controllers: ['hugetlb'] },
          { version: 1, base: '/f', place: '/', controllers: [] },
        ],
        lack: { why: 'for a reason', fix: 'do something' },
      },
    },
    check: 'cgroups',
    status: 'warning',
    detail:
      /^limits of Pods are only emulated: for a reason; v2, hugetlb at \/c$/,
    fix: /^do something$/,
  },
  {
    title: 'root without the right to mount',
    facts: { mayMount: false },
    check: 'rights',
    status: 'missing',
    detail: /CAP_SYS_ADMIN/,
    fix: /--cap-add SYS_ADMIN/,
  },
  {
    title: 'a Node before the floor',
    facts: { nodeVersion: '20.18.3' },
    check: 'node',
    status: 'missing',
    detail: /needs 20\.19/,
  },
  {
    title: 'a program that was built by another Node',
    facts: { codeCache: { taken: false, maker: '/x/code-cache.mjs' } },
    check: 'code cache',
    status: 'warning',
    detail: /none of Node 20\.20\.2/,
    fix: /^node \/x\/code-cache\.mjs$/,
  },
  {
    title: 'one that another Node installed',
    facts: { codeCache: { taken: false, maker: undefined } },
    check: 'code cache',
    status: 'warning',
    detail: /each start compiles/,
    fix: /install:system/,
  },
  {
    title: 'a kernel without RESEND',
    facts: { kernelRelease: '6.8.0-45-generic' },
    check: 'kernel',
    status: 'warning',
    detail: /before 6\.9/,
  },
  {
    title: 'no FUSE',
    facts: { fuseDevice: { mode: undefined, openError: 'ENOENT' } },
    check: '/dev/fuse',
    status: 'missing',
    detail: /not there/,
    fix: /modprobe fuse/,
  },
  {
    title: 'a FUSE device that a container may not open',
    facts: { fuseDevice: { mode: 0o666, openError: 'EPERM' } },
    check: '/dev/fuse',
    status: 'missing',
    detail: /EPERM/,
    fix: /--device \/dev\/fuse/,
  },
  {
    title: 'a FUSE device that only root may open',
    facts: { fuseDevice: { mode: 0o600, openError: 'EACCES' } },
    check: '/dev/fuse',
    status: 'missing',
    detail: /mode 0600/,
    fix: /chmod 0666/,
  },
  {
    title: 'a FUSE device on a mount that has no devices',
    facts: { fuseDevice: { mode: 0o666, openError: 'EACCES' } },
    check: '/dev/fuse',
    status: 'missing',
    detail: /mode 0666, cannot be opened: EACCES/,
    fix: /--device \/dev\/fuse/,
  },
  {
    title: 'programs that are not there',
    facts: { missingPrograms: ['nsenter'] },
    check: 'util-linux',
    status: 'missing',
    detail: /nsenter/,
    fix: /^sudo apt-get install/,
  },
  {
    title: 'an older setpriv',
    facts: { filtersSyscalls: false },
    check: 'seccomp',
    status: 'warning',
    detail: /seccompProfile is not enforced/,
  },
  {
    title: 'no overlayfs',
    facts: { overlay: false },
    check: 'overlayfs',
    status: 'missing',
    detail: /filesystems/,
    fix: /--host-root/,
  },
  {
    title: 'few inotify watches',
    facts: { inotify: { maxUserWatches: 8192, maxUserInstances: 128 } },
    check: 'inotify',
    status: 'warning',
    detail: /8192/,
    fix: /^sudo sysctl -w fs\.inotify\.max_user_watches=\d+$/,
  },
  {
    title: 'no CNI plugins',
    facts: { missingForNetworks: ['the CNI plugin bridge', 'iptables'] },
    check: 'pod networks',
    status: 'warning',
    detail:
      /pasta, the CNI plugin bridge, iptables; only --network pod .* network host does not/,
    fix: /^sudo apt-get install containernetworking-plugins iptables/,
  },
  {
    title: 'no pasta, and no CNI plugins, of an ordinary user',
    facts: { uid: 1000, missingForNetworks: ['the CNI plugin bridge'] },
    check: 'pod networks',
    status: 'warning',
    detail: /pasta, the CNI plugin bridge; only --network pod/,
    fix: /^sudo apt-get install passt$/,
  },
  {
    title: 'no pasta, of an ordinary user',
    facts: { uid: 1000 },
    check: 'pod networks',
    status: 'warning',
    detail: /without pasta they reach nothing outside$/,
    fix: /^sudo apt-get install passt$/,
  },
  {
    title: 'no loopback interface',
    facts: { loopbackError: 'EADDRNOTAVAIL' },
    check: 'addresses',
    status: 'missing',
    detail: /EADDRNOTAVAIL/,
    fix: /ip link set lo up/,
  },
  {
    title: 'no busybox',
    facts: { busybox: undefined },
    check: 'busybox',
    status: 'warning',
    detail: /own sh/,
    fix: /^sudo apt-get install busybox/,
  },
  {
    title: 'a busybox that lacks what scripts use, and nothing else has it',
    facts: { busyboxLacks: ['nc -z', 'wget --spider'] },
    check: 'busybox',
    status: 'warning',
    detail:
      /^\/bin\/busybox has no nc -z, no wget --spider, and there is no other program$/,
    fix: /^sudo apt-get install netcat-openbsd wget$/,
  },
  {
    title: 'mounts that nobody serves',
    facts: { staleMounts: ['/mnt/a', '/mnt/b'] },
    check: 'stale mounts',
    status: 'warning',
    detail: /\/mnt\/a, \/mnt\/b/,
    fix: /podfs unmount \/mnt\/a/,
  },
  {
    title: 'user namespaces forbidden by the distribution',
    facts: {
      userNamespaces: {
        max: 10_000,
        forbiddenBy: 'kernel.unprivileged_userns_clone',
        refusal: undefined,
      },
    },
    check: 'user namespaces',
    status: 'warning',
    detail: /forbidden/,
    fix: /^sudo sysctl -w kernel.unprivileged_userns_clone=1$/,
  },
  {
    title: 'no user namespaces, for an ordinary user',
    facts: {
      ...ordinary,
      userNamespaces: { max: 0, forbiddenBy: undefined, refusal },
    },
    check: 'user namespaces',
    status: 'missing',
    detail: /Pods of an ordinary user need one: unshare: .*No space left/,
    fix: /^sudo sysctl -w user.max_user_namespaces=10000$/,
  },
  {
    title: 'those that Ubuntu gives to programs with a profile',
    facts: {
      ...ordinary,
      userNamespaces: {
        max: 10_000,
        forbiddenBy: 'kernel.apparmor_restrict_unprivileged_userns',
        refusal,
      },
    },
    check: 'user namespaces',
    status: 'missing',
    detail: /need one/,
    fix: /^sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0; or sudo npm run install:system/,
  },
  {
    title: 'those that a container engine refuses',
    facts: {
      ...ordinary,
      userNamespaces: { max: 10_000, forbiddenBy: undefined, refusal },
    },
    check: 'user namespaces',
    status: 'missing',
    detail: /need one/,
    fix: /seccomp=unconfined/,
  },
  {
    title: 'no range of ids',
    facts: {
      ...ordinary,
      idsLack: { why: 'dev has no range', fix: 'sudo usermod' },
    },
    check: 'user ids',
    status: 'warning',
    detail: /^one, and one group: .*: dev has no range$/,
    fix: /^sudo usermod$/,
  },
  {
    title: 'no fuse-overlayfs, without which Pods run all the same',
    facts: { ...ordinary, fuseOverlayfs: undefined },
    check: 'fuse-overlayfs',
    status: 'warning',
    detail:
      /^not found: containers can replace files .*, not change them in place$/,
    fix: /apt-get install fuse-overlayfs$/,
  },
  {
    title: 'no fusermount3, which only an ordinary user needs',
    facts: { ...ordinary, fusermount3: undefined },
    check: 'fusermount3',
    status: 'missing',
    detail: /podfs mount of an ordinary user needs it/,
    fix: /^sudo apt-get install fuse3$/,
  },
]

for (const { title, facts, check, ...expected } of cases)
  t.test(title, async t => {
    const checks = checkMachine({ ...goodMachine, ...facts })
    t.match(
      checks.find(({ name }) => name === check),
      expected,
    )
    t.strictSame(
      checks.filter(({ status }) => status !== 'ok').map(({ name }) => name),
      [check],
      'and nothing else is wrong',
    )
  })

for (const [userAllowOther, detail] of [
  [true, /^user_allow_other: ordinary users may use --allow-other$/],
  [false, /^no user_allow_other: only root may use --allow-other$/],
] as const)
  t.test(`fuse.conf: ${userAllowOther}`, async t => {
    const checks = checkMachine({ ...goodMachine, userAllowOther })
    t.match(
      checks.find(({ name }) => name === 'fuse.conf'),
      { status: 'ok', detail, fix: undefined },
      'root needs it neither way',
    )
    t.ok(checks.every(({ status }) => status === 'ok'))
  })

t.test('reads fuse.conf as fusermount3 does', async t => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['the line', 'mount_max = 1000\nuser_allow_other\n', true],
    ['among spaces', '# x\n  user_allow_other  \n', true],
    ['with a comment', 'user_allow_other # for podfs\n', true],
    ['without a newline, which it ignores', 'user_allow_other', false],
    ['a comment', '#user_allow_other\n# user_allow_other\n', false],
    ['another word', 'user_allow_others\n', false],
    ['nothing', '', false],
  ]
  for (const [title, text, allows] of cases)
    t.equal(userAllowOther(text), allows, title)
})
