import { allCapabilities, type Capability } from '../../linux/capabilities.ts'
import type { ContainerUser, SandboxConfig } from './container-runtime.ts'
import type { MachineTools } from '../../linux/machine-tools.ts'
import type { Pause } from './pause.ts'

/*
 * The argument lists that start a program in a container. Pure. No shell is part of them:
 * dash and ash drop every environment variable whose name is no identifier, and a container
 * may have `data-1`, `1-x` or `#@!x`.
 */

export interface Launch {
  readonly argv: readonly string[]
  readonly env: ReadonlyMap<string, string>
  readonly workingDir: string
  /** Of root in the container: see ContainerRights. */
  readonly capabilities: readonly Capability[]
  readonly user?: ContainerUser
  /** The container's (Cgroup.entries). */
  readonly cgroup?: readonly string[]
  /** See ContainerLaunch. */
  readonly oomScoreAdjust?: number
}

/** A command as child_process wants it. */
export interface HostCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/**
 * setpriv -> (sh ->) nsenter -> unshare -> (setpriv -> env ->) program. Each replaces the one
 * before; only unshare forks, and stays as the monitor of the PID namespace:
 *
 * - podfs dies: the first setpriv's pdeathsig, which survives exec, kills unshare
 * - unshare dies: --kill-child kills the program, PID 1, and with it the whole namespace
 * - the program dies: the kernel kills the namespace, unshare hands its status on
 *
 * With `setsid` its standard input becomes its controlling terminal.
 *
 * A program that shares the Pod's PID namespace, or the machine's, is no PID 1: what it leaves is
 * for running-process.ts to kill, and ends with the Pod's PID 1 (pause.ts) where there is one.
 */
export function startCommand(
  tools: MachineTools,
  setupPid: number,
  { pid, config }: Pick<Pause, 'pid' | 'config'>,
  launch: Launch,
  setsid?: string,
): HostCommand {
  const { user, capabilities } = launch
  return hostCommand(launch, [
    ...dieWithParent(tools),
    ...entering(tools, launch),
    tools.nsenter,
    `--target=${setupPid}`,
    '--mount',
    '--uts',
    '--ipc',
    ...networkOf(config),
    // It is unshare that forks: nsenter stops when its child does, and would not see its end.
    ...(config.pid === 'pod' ? ['--no-fork', `--pid=/proc/${pid}/ns/pid`] : []),
    '--',
    tools.unshare,
    ...(config.pid === 'container' ? ['--pid'] : []),
    '--fork',
    '--kill-child',
    '--mount-proc',
    // Private is the default: what comes to the volumes' places must come here, too.
    '--propagation=unchanged',
    `--wd=${launch.workingDir}`,
    '--',
    ...(setsid === undefined ? [] : [setsid, '--ctty', '--']),
    ...(user
      ? becomeUser(tools, user, bounding(capabilities))
      : bound(tools, capabilities)),
    ...programCommand(tools, launch),
  ])
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
  const { user, capabilities } = launch
  const carried = carriedTo(tools, launch)
  return hostCommand(launch, [
    ...dieWithParent(tools, carried),
    ...entering(tools, launch),
    tools.nsenter,
    `--target=${containerPid}`,
    '--mount',
    '--uts',
    '--ipc',
    ...networkOf(config),
    '--pid',
    '--root=/',
    `--wd=/proc/${containerPid}/root`,
    '--',
    ...(ties?.dies ? dieWithParent(tools) : []),
    ...(ties?.setsid === undefined ? [] : [ties.setsid, '--ctty', '--']),
    ...bound(tools, capabilities),
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
    ...programCommand(tools, launch),
  ])
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
  const variables =
    launch.cgroup === undefined
      ? linkerVariables(tools, launch.env)
      : restoredVariables(tools, launch.env)
  return [...variables, ...launch.argv]
}

/** What the shell that enters the cgroup is called in its messages. */
const entryName = 'podfs-enter'

/**
 * A cgroup is entered by who is to be in it: written from outside it may be too late, when the
 * program runs already. util-linux has nothing for that with v1, so it is a shell, which sees
 * nothing of the container (`carriedVariables`).
 */
function entering(tools: MachineTools, { cgroup }: Launch): string[] {
  if (cgroup === undefined) return []
  return [tools.sh, '-c', entryScript, entryName, ...cgroup, '--']
}

const entryScript =
  'while [ "$1" != -- ]; do echo 0 >"$1" || exit 1; shift; done; shift; exec "$@"'

/**
 * The environment on its way through a shell: there are names that a shell drops, and others by
 * which it would be told what to do (PS4, BASH_ENV). The values have names that mean nothing.
 */
function carriedVariables(
  env: ReadonlyMap<string, string>,
): readonly (readonly [carrier: string, name: string, value: string])[] {
  return [...env].map(([name, value], i) => [`_${i.toString(36)}`, name, value])
}

/** env takes the values from its environment: no argument has them (env -S, coreutils 8.30). */
function restoredVariables(
  tools: MachineTools,
  env: ReadonlyMap<string, string>,
): string[] {
  const words = carriedVariables(env).map(
    ([carrier, name]) =>
      `"${name.replaceAll(/[\\"$]/g, '\\$&')}=\${${carrier}}"`,
  )
  return [tools.env, '-i', '-S', words.join(' ')]
}

function bound(
  tools: MachineTools,
  capabilities: readonly Capability[],
): string[] {
  const options = bounding(capabilities)
  return options.length === 0 ? [] : [tools.setpriv, ...options, '--']
}

/**
 * The bounding set is all that root's permitted and effective capabilities are made of at an
 * exec (capabilities(7)); nothing is inheritable, as with container run-times since
 * CVE-2022-24769.
 */
function bounding(capabilities: readonly Capability[]): string[] {
  return capabilities.length === allCapabilities.length
    ? []
    : [`--bounding-set=${only(capabilities)}`]
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
  const groups =
    user.supplementalGroups.length === 0
      ? '--clear-groups'
      : `--groups=${user.supplementalGroups.join(',')}`
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
  if (launch.cgroup === undefined) {
    for (const [name, value] of launch.env)
      if (!changesTools.test(name)) env[name] = value
  } else {
    for (const [carrier, , value] of carriedVariables(launch.env))
      env[carrier] = value
  }
  return { file, args, env }
}
