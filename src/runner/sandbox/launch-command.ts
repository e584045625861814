import { allCapabilities, type Capability } from '../../linux/capabilities.ts'
import type {
  ContainerUser,
  ProcessLabels,
  SandboxConfig,
} from './container-runtime.ts'
import {
  systemPath,
  type FilterLoader,
  type MachineTools,
} from '../../linux/machine-tools.ts'
import type { Pause } from './pause.ts'

/*
 * The argument lists that start a program in a container. Pure.
 *
 * Where a shell is part of them it must not see the container's variables: dash and ash drop
 * each whose name is no identifier, and a container may have `data-1`, `1-x` or `#@!x`; others
 * make a shell do something. So they get there under names that mean nothing, and env(1), the
 * last of the programs, gives them their own (`withOwnNames`).
 */

export interface Launch {
  readonly argv: readonly string[]
  readonly env: ReadonlyMap<string, string>
  readonly workingDir: string
  /** Of root in the container: see ContainerRights. */
  readonly capabilities: readonly Capability[]
  readonly noNewPrivileges?: true
  /** See kernel-masks.ts. */
  readonly masked: boolean
  /** `file`, on the host: see seccomp/filter.ts. */
  readonly filter?: { readonly file: string; readonly loader: FilterLoader }
  readonly user?: ContainerUser
  readonly labels?: ProcessLabels
  /** The container's (Cgroup.entries). */
  readonly cgroup?: readonly string[]
  /** See ContainerLaunch. */
  readonly oomScoreAdjust?: number
  readonly pidNamespaceOf?: number
}

/** A command as child_process wants it. */
export interface HostCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/**
 * Where a command finds what is open in it when it starts: the fstab of what is mounted over /proc,
 * the gate (startCommand), and the filter of system calls, the first of them that there are.
 */
const masksDescriptor = 3
/** Where it is masked. */
export const gateDescriptor = 4
const filterDescriptor = ({ masked }: Pick<Launch, 'masked'>): number =>
  masked ? gateDescriptor + 1 : masksDescriptor

/**
 * setpriv -> (sh ->) nsenter -> unshare -> sh -> (setpriv ->) env -> (aa-exec ->) program. Each replaces the one
 * before; only unshare forks, and stays as the monitor of the PID namespace; and sh waits for a
 * mount(8), because only a process of the new PID namespace can do something between the mount of
 * its /proc and the program:
 *
 * - podfs dies: the first setpriv's pdeathsig, which survives exec, kills unshare
 * - unshare dies: --kill-child kills the program, PID 1, and with it the whole namespace
 * - the program dies: the kernel kills the namespace, unshare hands its status on
 *
 * That shell then reads a line from its gate: until it comes the program is not executed, and without
 * one it never is. So all that stands before it can be begun when it is not yet its turn.
 *
 * With `setsid` its standard input becomes its controlling terminal.
 *
 * A program that shares the PID namespace of its Pod, of another container or of the machine is no
 * PID 1: what it leaves is for running-process.ts to kill, and ends with that namespace's PID 1, of
 * the Pod's pause.ts, where there is one.
 */
export function startCommand(
  tools: MachineTools,
  setupPid: number,
  { pid, config }: Pick<Pause, 'pid' | 'config'>,
  launch: Launch,
  setsid?: string,
): HostCommand {
  const { user, masked } = launch
  const { words, env } = withOwnNames(tools, launch)
  const joined =
    config.pid === 'container'
      ? launch.pidNamespaceOf
      : config.pid === 'pod'
        ? pid
        : undefined
  const chain = [
    ...dieWithParent(tools),
    ...entering(tools, launch),
    tools.nsenter,
    `--target=${setupPid}`,
    '--mount',
    ...sharedOf(tools, config),
    ...networkOf(config),
    // It is unshare that forks: nsenter stops when its child does, and would not see its end.
    ...(joined === undefined
      ? []
      : ['--no-fork', `--pid=/proc/${joined}/ns/pid`]),
    '--',
    tools.unshare,
    ...(config.pid === 'container' && joined === undefined ? ['--pid'] : []),
    '--fork',
    '--kill-child',
    // The machine's own can only be mounted by its root; here it has come with the root.
    tools.isNested && config.pid === 'node' ? '--mount' : '--mount-proc',
    // Private is the default: what comes to the volumes' places must come here, too.
    '--propagation=unchanged',
    `--wd=${launch.workingDir}`,
    '--',
    ...(setsid === undefined ? [] : [setsid, '--ctty', '--']),
    ...(masked ? [tools.sh, '-c', maskProc, starterName] : []),
    ...(user
      ? becomeUser(tools, user, limits(launch))
      : limited(tools, launch)),
    ...filtered(tools, launch, filterDescriptor(launch)),
    ...words,
    ...launch.argv,
  ]
  const [file = '', ...args] = chain
  return { file, args, env }
}

/**
 * The filter comes when nothing else is to be done but to start the program: it may forbid it. The
 * kernel takes one of somebody who is not root only with no_new_privs, and setpriv sets that for
 * everybody; so does perl here.
 */
function filtered(
  tools: MachineTools,
  { filter }: Launch,
  descriptor: number,
): string[] {
  if (filter === undefined) return []
  const { loader } = filter
  if (loader !== 'setpriv')
    return [loader.perl, '-e', loadFilter, starterName, String(descriptor)]
  return [
    tools.setpriv,
    '--seccomp-filter',
    `/proc/self/fd/${descriptor}`,
    '--',
    tools.sh,
    '-c',
    `exec "$@" ${descriptor}<&-`,
    starterName,
  ]
}

/** prctl(2) in asm/unistd.h; PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP and SECCOMP_MODE_FILTER. */
const prctl = process.arch === 'arm64' ? 167 : 157

/**
 * struct sock_fprog of linux/filter.h is a count of instructions, each of eight bytes, and their
 * address. What perl opens is closed when it becomes the program.
 */
const loadFilter = `
my ($name, $descriptor, @command) = @ARGV;
sub failed { print STDERR "$name: cannot load the filter of system calls: $_[0]: $!\\n"; exit 126 }
open(my $file, '<&=', $descriptor) or failed('open');
binmode $file;
my $filter = do { local $/; <$file> };
my $program = pack('S x![P] P', length($filter) / 8, $filter);
syscall(${prctl}, 38, 1, 0, 0, 0) == 0 or failed('no_new_privs');
syscall(${prctl}, 22, 2, $program, 0, 0) == 0 or failed('seccomp');
exec { $command[0] } @command or failed($command[0])`

/** What the shell of the chain calls itself when something is wrong. */
const starterName = 'podfs-start'

const maskProc = [
  `mount -n -a -T /proc/self/fd/${masksDescriptor} || {`,
  `  echo "${starterName}: cannot cover what is not to be seen of /proc" >&2`,
  '  exit 126',
  '}',
  `read -r go <&${gateDescriptor} || exit 126`,
  `exec "$@" ${masksDescriptor}<&- ${gateDescriptor}<&-`,
].join('\n')

/** Less than the kernel takes for one argument: MAX_ARG_STRLEN, include/uapi/linux/binfmts.h. */
const splitLength = 100_000

/** What a shell may have added of its own: they are nobody's in the container. */
const shellsOwn = ['PATH', 'LC_ALL', 'PWD', 'OLDPWD', 'SHLVL', '_']

/**
 * The environment with other names, and the commands that end in the program with the right
 * ones. Values stay out of the arguments, which everybody sees: env -S, of GNU's coreutils 8.30,
 * puts `${a0}` into them by itself.
 */
function withOwnNames(
  tools: MachineTools,
  launch: Launch,
): { readonly words: string[]; readonly env: NodeJS.ProcessEnv } {
  const { argv, env } = launch
  const other: NodeJS.ProcessEnv = { PATH: systemPath, LC_ALL: 'C' }
  // Two that set them one after the other must not meet.
  const prefix =
    'abcdefghijklmnopqrstuvwxyz'
      .split('')
      .find(letter =>
        [...env.keys()].every(name => !name.startsWith(letter)),
      ) ?? 'podfs_'
  let unset = shellsOwn.map(name => `-u${name}`).join(' ')
  let set = ''
  const words: string[] = []
  const end = (): void => {
    words.push(tools.env, '-S', `${unset}${set}`)
    unset = ''
    set = ''
  }
  for (const [i, [name, value]] of [...env].entries()) {
    const place = `${prefix}${i.toString(36)}`
    other[place] = value
    unset += ` -u${place}`
    set += ` "${name.replaceAll(/[\\"$]/g, String.raw`\$&`)}=\${${place}}"`
    if (unset.length + set.length > splitLength) end()
  }
  if (unset !== '') end()
  const labels = labelling(tools, launch)
  words.push(...labels)
  // env would take it for a variable.
  if (labels.length === 0 && argv[0]?.includes('='))
    words.push(tools.setpriv, '--')
  return { words, env: other }
}

/**
 * Labels come with the exec of the program alone, as with container run-times: a profile need not
 * allow what stands before it. The kernel takes them of nobody but who does that exec, and forgets
 * them with it; so these are the last, see the container's variables, and can be no shell. setpriv
 * has an option for AppArmor, too, and looks for securityfs, which no container has.
 */
function labelling(tools: MachineTools, { labels }: Launch): string[] {
  const { appArmor, seLinux } = labels ?? {}
  return [
    ...(seLinux === undefined
      ? []
      : [tools.setpriv, `--selinux-label=${seLinux}`, '--']),
    ...(appArmor === undefined
      ? []
      : [appArmor.aaExec, '-p', appArmor.profile, '--']),
  ]
}

/** How a command that somebody has streams to is tied to podfs. */
export interface ExecTies {
  /** It is killed when nsenter is. */
  readonly dies: true
  /** setsid(1), on the host: its standard input becomes its controlling terminal. */
  readonly setsid?: string
}

/**
 * The same, into the namespaces of a container's first process. nsenter forks.
 *
 * What a container may have changed, programs and their libraries, must not run with more than
 * the container's rights. So nsenter keeps the host's root (`--root`, opened before it enters)
 * and holds the container's as its working directory: all of these programs are the host's, up
 * to unshare, which goes there when the other capabilities are gone.
 */
export function execCommand(
  tools: MachineTools,
  containerPid: number,
  config: SandboxConfig,
  launch: Launch,
  ties?: ExecTies,
): HostCommand {
  const { user, filter } = launch
  const carried = carriedTo(tools, launch)
  const chain = [
    ...dieWithParent(tools, carried),
    ...entering(tools, launch),
    tools.nsenter,
    `--target=${containerPid}`,
    '--mount',
    ...sharedOf(tools, config),
    ...networkOf(config),
    '--pid',
    '--root=/',
    `--wd=/proc/${containerPid}/root`,
    '--',
    ...(ties?.dies ? dieWithParent(tools) : []),
    ...(ties?.setsid === undefined ? [] : [ties.setsid, '--ctty', '--']),
    ...limited(tools, launch),
    // It makes nothing new here: nsenter's own --wd means the host's.
    tools.unshare,
    '--root=.',
    `--wd=${launch.workingDir}`,
    '--',
    ...(user
      ? becomeUser(tools, user)
      : carried.length > 0
        ? [tools.setpriv, '--inh-caps=-all', '--']
        : []),
  ]
  // Without a shell in it the variables can go as they are.
  if (filter === undefined && launch.cgroup === undefined)
    return hostCommand(launch, [...chain, ...programCommand(tools, launch)])
  const { words, env } = withOwnNames(tools, launch)
  const [file = '', ...args] = [
    ...chain,
    ...filtered(tools, launch, masksDescriptor),
    ...words,
    ...launch.argv,
  ]
  return { file, args, env }
}

/** Those of the machine are only for its root to enter, and entered already. */
function sharedOf(
  { isNested }: MachineTools,
  { hostname, ipc }: SandboxConfig,
): string[] {
  return [
    ...(isNested && hostname === undefined ? [] : ['--uts']),
    ...(isNested && ipc !== 'pod' ? [] : ['--ipc']),
  ]
}

/** Only into one of the Pod's own: it takes rights over the machine's that podfs may not have. */
function networkOf({ network }: SandboxConfig): string[] {
  return network === undefined ? [] : ['--net']
}

/**
 * What the chain needs and the container does not have: inheritable up to its end. And one that
 * is good for nothing (capabilities(7)): /proc/PID/root of these programs is the host's root,
 * and a process of the container could follow it if it had all of their capabilities.
 */
function carriedTo(
  tools: MachineTools,
  { capabilities, user }: Launch,
): Capability[] {
  const needed: Capability[] = ['SYS_CHROOT', 'NET_BROADCAST']
  if (user !== undefined) needed.push('SETUID', 'SETGID')
  return needed.filter(
    name => !capabilities.includes(name) && tools.capabilities.includes(name),
  )
}

/** The command lines that PID 1 has before it is the program, as /proc/PID/cmdline. */
export function preludesOf(
  command: HostCommand,
  argv: readonly string[],
): Set<string> {
  const words = [command.file, ...command.args]
  const preludes = new Set<string>()
  for (let start = 0; start < words.length - argv.length; start += 1)
    preludes.add(cmdline(words.slice(start)))
  return preludes
}

function cmdline(words: readonly string[]): string {
  return words.map(word => `${word}\0`).join('')
}

function dieWithParent(
  tools: MachineTools,
  inherited: readonly Capability[] = [],
): string[] {
  return [
    tools.setpriv,
    '--pdeathsig',
    'KILL',
    ...(inherited.length === 0 ? [] : [`--inh-caps=${only(inherited)}`]),
    '--',
  ]
}

function programCommand(tools: MachineTools, launch: Launch): string[] {
  return [
    ...linkerVariables(tools, launch.env),
    ...labelling(tools, launch),
    ...launch.argv,
  ]
}

/** What the shell that enters the cgroup is called in its messages. */
const entryName = 'podfs-enter'

/**
 * A cgroup is entered by who is to be in it: written from outside it may be too late, when the
 * program runs already. util-linux has nothing for that with v1, so it is a shell, which sees
 * nothing of the container (`withOwnNames`).
 */
function entering(tools: MachineTools, { cgroup }: Launch): string[] {
  if (cgroup === undefined) return []
  return [tools.sh, '-c', entryScript, entryName, ...cgroup, '--']
}

const entryScript =
  'while [ "$1" != -- ]; do echo 0 >"$1" || exit 1; shift; done; shift; exec "$@"'

function limited(tools: MachineTools, launch: Launch): string[] {
  const options = limits(launch)
  return options.length === 0 ? [] : [tools.setpriv, ...options, '--']
}

/**
 * The bounding set is all that root's permitted and effective capabilities are made of at an
 * exec (capabilities(7)); nothing is inheritable, as with container run-times since
 * CVE-2022-24769.
 */
function limits({ capabilities, noNewPrivileges }: Launch): string[] {
  return [
    ...(capabilities.length === allCapabilities.length
      ? []
      : [`--bounding-set=${only(capabilities)}`]),
    ...(noNewPrivileges ? ['--no-new-privs'] : []),
  ]
}

function only(capabilities: readonly Capability[]): string {
  return ['-all', ...capabilities.map(name => `+${name.toLowerCase()}`)].join()
}

/**
 * Two steps. A change of credentials clears the parent-death signal that unshare --kill-child
 * has set (prctl(2)), and the container would outlive its monitor: it is set again. And
 * setpriv keeps root's capabilities up to its exec, which would find files executable that
 * the user may not execute: with the second it has lost them.
 */
function becomeUser(
  tools: MachineTools,
  user: ContainerUser,
  more: readonly string[] = [],
): string[] {
  let groups = '--clear-groups'
  if (tools.keepsGroups) groups = '--keep-groups'
  else if (user.supplementalGroups.length > 0)
    groups = `--groups=${user.supplementalGroups.join(',')}`
  return [
    tools.setpriv,
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    groups,
    '--inh-caps=-all',
    ...more,
    '--',
    ...dieWithParent(tools),
  ]
}

/**
 * What would change how nsenter and the others run themselves: libraries of the container
 * that the host does not have, or that are not theirs to load.
 */
const changesTools =
  /^(LD_|LIBMOUNT_|MALLOC_|GLIBC_TUNABLES$|GCONV_PATH$|LOCPATH$)/

/** These come at the end, as arguments of env; all others by the environment, unseen by ps. */
function linkerVariables(
  tools: MachineTools,
  env: ReadonlyMap<string, string>,
): string[] {
  const variables = [...env].filter(([name]) => changesTools.test(name))
  if (variables.length === 0) return []
  return [
    tools.env,
    '--',
    ...variables.map(([name, value]) => `${name}=${value}`),
  ]
}

function hostCommand(launch: Launch, words: readonly string[]): HostCommand {
  const [file = '', ...args] = words
  // Without a prototype: `__proto__` is a name like any other.
  const env = Object.create(null) as NodeJS.ProcessEnv
  for (const [name, value] of launch.env)
    if (!changesTools.test(name)) env[name] = value
  return { file, args, env }
}
