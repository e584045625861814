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

export const IMAGE = 'localhost/podfs-bench-busybox:latest'

const program = 'podman'

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

/** Throws with the reason where podman does not work. */
export function preparePodman(bench: Bench): Podman {
  const busybox = pathOf('busybox')
  for (const needed of [program, 'runc', 'catatonit'])
    if (pathOf(needed) === undefined) throw new Error(`no ${needed} here`)
  if (busybox === undefined) throw new Error('no busybox here')
  const directory = bench.directory('podman')
  const conf = path.join(directory, 'containers.conf')
  writeFileSync(conf, containersConf)
  const env = { ...process.env, CONTAINERS_CONF: conf }
  const global = [
    '--root',
    path.join(directory, 'store'),
    '--runroot',
    path.join(directory, 'run'),
  ]
  const podman = (...args: readonly string[]): void => {
    execFileSync(program, [...global, ...args], { env, stdio: 'pipe' })
  }
  const hadGroups = cgroupsOf('libpod_parent').length > 0
  const archive = path.join(directory, 'image.tar')
  execFileSync('tar', ['-C', makeRoot(directory, busybox), '-cf', archive, '.'])
  podman('import', archive, IMAGE)
  const removePods = (): void => podman('pod', 'rm', '-f', '-t', '0', '-a')
  bench.defer(() => {
    removePods()
    spawnSync('umount', ['-l', path.join(directory, 'store', 'overlay')])
    if (!hadGroups) cgroupsOf('libpod_parent').forEach(removeGroup)
  })
  return {
    play: manifest =>
      bench.spawn(
        program,
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

/** A static busybox and the few names of it that the Pod calls. */
function makeRoot(directory: string, busybox: string): string {
  const root = path.join(directory, 'root')
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp'])
    mkdirSync(path.join(root, name), { recursive: true })
  copyFileSync(busybox, path.join(root, 'bin/busybox'))
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
