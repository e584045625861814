import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { promisify } from 'node:util'
import {
  hostnameSetter,
  systemPath,
  type MachineTools,
} from '../../linux/machine-tools.ts'
import type { SandboxConfig } from './container-runtime.ts'
import { shellQuote } from './shell-quote.ts'

/**
 * The process that holds what the containers of a Pod share, as a kubelet's pause container does:
 * the UTS and the IPC namespace, the network namespace where it is the Pod's own and, where they
 * share it, the PID namespace, whose PID 1 it is. It is a shell that waits. Nothing pins a namespace in the host's file system, so nothing stays
 * behind. It ends with podfs: by its parent-death signal, and because its input closes.
 */
export interface Pause {
  readonly config: SandboxConfig
  /** As the host numbers it. */
  readonly pid: number
  /** Options of nsenter with which a container's root is made inside; none: nothing is the Pod's. */
  readonly entrance: readonly string[]
  /** Resolves when it has ended, whatever the reason. */
  readonly ended: Promise<void>
  /** It has been killed, though that may not be known yet: who dies now has died of that. */
  isDying(): boolean
  end(): Promise<void>
}

type PauseProcess = ChildProcessByStdio<Writable, Readable, Readable>

const environment = { PATH: systemPath, LC_ALL: 'C' }

/**
 * Resolves when the namespaces are there, and rejects with what stands in the way. `directory`: an
 * empty one, on which something is mounted in a mount namespace of its own.
 */
export async function startPause(
  tools: MachineTools,
  config: SandboxConfig,
  directory: string,
): Promise<Pause> {
  const [file = '', ...args] = pauseCommand(tools, config, directory)
  const child: PauseProcess = spawn(file, args, {
    cwd: '/',
    env: environment,
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C at the terminal is for podfs to handle.
    detached: true,
  })
  child.stdin.on('error', () => undefined)
  const ended = once(child, 'exit').then(
    () => undefined,
    () => undefined,
  )
  const end = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  let pid: number
  try {
    pid = await readyPid(child)
    if (config.pid === 'pod') await detachHost(tools, pid)
  } catch (error) {
    await end()
    throw error
  }
  // Not heard any more, and its pipes are nothing to wait for.
  child.stdout.destroy()
  child.stderr.destroy()
  const target = `--target=${pid}`
  const namespaces = podNamespaces(config)
  return {
    config,
    pid,
    entrance: namespaces.length === 0 ? [] : [target, ...namespaces],
    ended,
    isDying: () => !isThere(pid),
    end,
  }
}

/** Those that a container's root has to be made in; options of unshare and of nsenter. */
function podNamespaces({ hostname, ipc, network }: SandboxConfig): string[] {
  return [
    ...(hostname === undefined ? [] : ['--uts']),
    ...(ipc === 'pod' ? ['--ipc'] : []),
    ...(network === undefined ? [] : ['--net']),
  ]
}

/** Pure. Where a PID namespace is shared, unshare stays as the parent of its PID 1. */
function pauseCommand(
  tools: Pick<MachineTools, 'setpriv' | 'unshare' | 'sh' | 'isNested'>,
  config: SandboxConfig,
  directory: string,
): string[] {
  const options = [
    ...podNamespaces(config),
    ...(config.pid === 'pod'
      ? ['--mount', '--pid', '--fork', '--kill-child']
      : []),
  ]
  return [
    [tools.setpriv, '--pdeathsig', 'KILL', '--'],
    options.length === 0 ? [] : [tools.unshare, ...options, '--'],
    // The last is for who looks at a list of processes.
    [tools.sh, '-c', pauseScript(tools, config, directory), 'podfs-pause'],
  ].flat()
}

/**
 * Containers that share its PID namespace find it in their /proc, and a privileged one may go to
 * /proc/1/root. So its root is an empty file system there.
 *
 * What waits is a child, because dash and ash reap while they wait for one but not while they
 * `read`: orphans would stay zombies. A container can kill the child, and has then done nothing;
 * PID 1 takes no signal from inside. Not in the background: for that they open /dev/null, which is
 * not there, and the loop would never rest.
 */
function pauseScript(
  tools: Pick<MachineTools, 'isNested'>,
  { hostname, pid, sysctls = [] }: SandboxConfig,
  directory: string,
): string {
  const place = shellQuote(directory)
  return [
    'set -e',
    ...(hostname === undefined ? [] : [setHostname(tools, hostname)]),
    ...sysctls.map(
      ({ name, value }) =>
        `printf %s ${shellQuote(value)} > ${shellQuote(`/proc/sys/${name.replaceAll(/[./]/g, swap)}`)}`,
    ),
    // /proc is still that of the host: so is the number.
    'read -r pid rest < /proc/self/stat',
    ...(pid === 'pod'
      ? [
          `mount -n -t tmpfs -o mode=0555,size=4k podfs ${place}`,
          `mkdir ${place}/${hostRoot}`,
          `cd ${place}`,
          `pivot_root . ${hostRoot}`,
          'cd /',
          'echo "$pid"',
          'until (read -r end || exit 0; exit 1); do :; done',
        ]
      : ['echo "$pid"', 'read -r end || :']),
  ].join('\n')
}

function setHostname(
  { isNested }: Pick<MachineTools, 'isNested'>,
  hostname: string,
): string {
  return isNested
    ? [...hostnameSetter(), hostname].map(shellQuote).join(' ')
    : `printf %s ${shellQuote(hostname)} > /proc/sys/kernel/hostname`
}

/** A part of a name has a slash where its file has a dot: net.ipv4.conf.eth0/1.forwarding. */
function swap(separator: string): string {
  return separator === '.' ? '/' : '.'
}

const hostRoot = 'host'

/** From outside: no program is in reach of one that has no other root. */
async function detachHost(tools: MachineTools, pid: number): Promise<void> {
  await promisify(execFile)(
    tools.nsenter,
    [
      [`--target=${pid}`, '--mount', '--root=/', `--wd=/proc/${pid}/root`],
      ['--', 'umount', '-n', '-c', '-l', hostRoot],
    ].flat(),
    { env: environment },
  )
}

async function readyPid(child: PauseProcess): Promise<number> {
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) =>
      reject(new Error(said.trim() || `pause ended by ${signal ?? code}`)),
    )
  })
  failed.catch(() => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const { value } = await Promise.race([lines.next(), failed])
  return typeof value === 'string' ? Number(value) : await failed
}

/** A process that is ending has no command line any more, long before its parent hears of it. */
function isThere(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''
  } catch {
    return false
  }
}
