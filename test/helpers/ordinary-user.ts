import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { capability, closedClone, needsRoot } from './capability.ts'
import {
  podfs,
  startPodfs,
  type Ended,
  type PodfsOptions,
  type RunningPodfs,
} from './podfs.ts'

/*
 * podfs as somebody without sudo starts it: test/ordinary-user.sh.
 */

export interface OrdinaryUserOptions {
  /** Of ids in /etc/subuid and /etc/subgid; true. */
  readonly range?: boolean
  /** Programs that the machine does not have. */
  readonly hidden?: readonly string[]
  /** The mode of /dev/fuse; 0666. */
  readonly fuseMode?: string
}

export interface OrdinaryUser {
  readonly uid: number
  /** `podfs-UID`. */
  readonly name: string
  /** On a disk, 0700; the same path in the machine's mount namespace. */
  readonly home: string
  /** $XDG_RUNTIME_DIR, in the user's mount namespace only. */
  readonly runtime: string
  /** That namespace, as root can look into it from outside: put before a path. */
  readonly root: string
  /** Put before a program: it begins in `home`. */
  readonly wrapper: readonly string[]
  /** As those of podfs.ts, but as the user, and in `home`. */
  podfs(args: readonly string[], options?: PodfsOptions): Promise<Ended>
  startPodfs(args: readonly string[], options?: PodfsOptions): RunningPodfs
  /** A script of sh, to its end. */
  sh(script: string): Promise<Ended>
  /** What runs as the user, in user namespaces of the user's too: `PID COMMAND`. */
  processes(): readonly string[]
}

/** For `skip`: why there can be none here, or false. */
export function lacksOrdinaryUser(
  ...programs: readonly string[]
): string | false {
  return (
    needsRoot('user') ||
    closedClone() ||
    (programs.map(capability).find(lack => lack !== false) ?? false)
  )
}

/** Its processes, files and mounts end with the test. */
export async function ordinaryUser(
  t: Test,
  options: OrdinaryUserOptions = {},
): Promise<OrdinaryUser> {
  const { range = true, hidden = [], fuseMode = '0666' } = options
  const args = ['--fuse-mode', fuseMode]
  if (!range) args.push('--no-range')
  for (const program of hidden) args.push('--hide', program)
  const holder = spawn('bash', ['test/ordinary-user.sh', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const over = once(holder, 'close')
  t.teardown(async () => {
    holder.stdin.end()
    await over
  })
  const line = await new Promise<string>((resolve, reject) => {
    let said = ''
    holder.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.endsWith('\n')) resolve(said)
    })
    over.then(() => reject(new Error('no ordinary user')), reject)
  })
  const [uid = 0, pid = 0] = line.split(' ').map(Number)
  const name = `podfs-${uid}`
  const home = `/home/${name}`
  const runtime = `/run/user/${uid}`
  // The working directory of nsenter is in another namespace.
  const wrapper = [
    `nsenter --target=${pid} --mount --`,
    `setpriv --reuid=${uid} --regid=${uid} --init-groups --inh-caps=-all --`,
    `env --chdir=${home} -u XDG_STATE_HOME -u XDG_CONFIG_HOME -u SUDO_USER`,
    `HOME=${home} USER=${name} LOGNAME=${name} XDG_RUNTIME_DIR=${runtime}`,
  ].flatMap(words => words.split(' '))
  const asUser = (more: PodfsOptions = {}): PodfsOptions => ({
    ...more,
    wrapper: [...wrapper, ...(more.wrapper ?? [])],
  })
  return {
    uid,
    name,
    home,
    runtime,
    root: `/proc/${pid}/root`,
    wrapper,
    podfs: (argv, more) => podfs(t, argv, asUser(more)),
    startPodfs: (argv, more) => startPodfs(t, argv, asUser(more)),
    sh: script => endOf([...wrapper, 'sh', '-c', script]),
    processes: () => processesOf(uid),
  }
}

async function endOf(argv: readonly string[]): Promise<Ended> {
  const [program = '', ...args] = argv
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  const seen = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]
      .setEncoding('utf8')
      .on('data', (text: string) => (seen[stream] += text))
  const [code, signal] = (await once(child, 'close')) as [
    number | null,
    NodeJS.Signals | null,
  ]
  return { code, signal, ...seen }
}

/** As test/ordinary-user.sh gives it out. */
const rangeStart = (uid: number): number => (uid - 20_000 + 15) * 65_536

function processesOf(user: number): string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(pid => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8')
        const uid = Number(/^Uid:\t(\d+)/m.exec(status)?.[1])
        const isOfRange = Math.floor(uid / 65_536) * 65_536 === rangeStart(user)
        if (uid !== user && !isOfRange) return []
        if (/^State:\tZ/m.test(status)) return []
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        return [`${pid} ${command.replaceAll('\0', ' ').trim()}`]
      } catch {
        return []
      }
    })
}
