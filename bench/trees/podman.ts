import { execFileSync, spawnSync, type ChildProcess } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import type { Bench } from '../bench.ts'
import type { People } from './user.ts'

export const IMAGE = 'localhost/podfs-bench-busybox:latest'

const program = 'podman'
const libraryLister = 'ldd'

const containersConf = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
`

/** Podman with a store of its own and one image: a busybox made from this machine's. */
export interface Podman {
  /** `podman kube play`, with the containers' output on its stdout. */
  play(manifest: string): ChildProcess
  removePods(): void
}

/** Root's, or rootless, of a user's own. Throws with the reason where podman does not work. */
export function preparePodman(bench: Bench, user?: People['user']): Podman {
  const busybox = pathOf('busybox')
  const programs = [program, 'runc', 'catatonit']
  for (const needed of user ? [...programs, 'newuidmap'] : programs)
    if (pathOf(needed) === undefined) throw new Error(`no ${needed} here`)
  if (busybox === undefined) throw new Error('no busybox here')
  const directory = user
    ? path.join(user.home, 'podman')
    : bench.directory('podman')
  mkdirSync(directory, { recursive: true })
  const conf = path.join(directory, 'containers.conf')
  writeFileSync(conf, containersConf)
  const env = { ...process.env, CONTAINERS_CONF: conf }
  const [command, ...global] = [
    ...(user?.wrapper ?? []),
    program,
    // What it finds for itself may be vfs, which copies the image for each container.
    ...(user ? ['--storage-driver', 'overlay'] : []),
    '--root',
    path.join(directory, 'store'),
    '--runroot',
    path.join(directory, 'run'),
  ] as [string, ...string[]]
  const podman = (...args: readonly string[]): void => {
    execFileSync(command, [...global, ...args], { env, stdio: 'pipe' })
  }
  const hadGroups = cgroupsOf('libpod_parent').length > 0
  const archive = path.join(directory, 'image.tar')
  execFileSync('tar', ['-C', makeRoot(directory, busybox), '-cf', archive, '.'])
  if (user) execFileSync('chown', ['-R', `${user.uid}:${user.uid}`, directory])
  podman('import', archive, IMAGE)
  const removePods = (): void => podman('pod', 'rm', '-f', '-t', '0', '-a')
  bench.defer(() => {
    removePods()
    // The rest ends with the user.
    if (user) return
    spawnSync('umount', ['-l', path.join(directory, 'store', 'overlay')])
    if (!hadGroups) cgroupsOf('libpod_parent').forEach(removeGroup)
  })
  return {
    play: manifest =>
      bench.spawn(
        command,
        [...global, 'kube', 'play', '--log-driver', 'passthrough', manifest],
        // A pipe that the containers inherit: nothing stands between them and the reader.
        { env, stdio: ['ignore', 'pipe', 'ignore'] },
      ),
    removePods,
  }
}

function pathOf(name: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(':')
    .map(directory => path.join(directory, name))
    .find(candidate => existsSync(candidate))
}

/** A busybox, with its libraries unless it is static, and the few names of it that the Pod calls. */
function makeRoot(directory: string, busybox: string): string {
  const root = path.join(directory, 'root')
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp'])
    mkdirSync(path.join(root, name), { recursive: true })
  copyFileSync(busybox, path.join(root, 'bin/busybox'))
  const { stdout } = spawnSync(libraryLister, [busybox], { encoding: 'utf8' })
  for (const library of stdout.match(/\/\S+(?= \()/g) ?? []) {
    mkdirSync(path.join(root, path.dirname(library)), { recursive: true })
    copyFileSync(library, path.join(root, library))
  }
  for (const applet of ['sh', 'cat', 'sleep', 'echo'])
    symlinkSync('busybox', path.join(root, 'bin', applet))
  return root
}

/** Podman leaves its empty control groups behind. */
function cgroupsOf(name: string): string[] {
  const root = '/sys/fs/cgroup'
  if (!existsSync(root)) return []
  return [root, ...readdirSync(root).map(entry => path.join(root, entry))]
    .map(parent => path.join(parent, name))
    .filter(group => existsSync(group))
}

function removeGroup(group: string): void {
  for (const entry of readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroup(path.join(group, entry.name))
  try {
    rmdirSync(group)
  } catch {
    // Somebody else's, and in use.
  }
}
