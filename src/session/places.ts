import path from 'node:path'

/** Where podfs keeps its things on this machine; docs/cli.md, "Places". */
export interface Places {
  /** Sockets, private mounts, hosts files: gone after a restart of the machine; 0700. */
  readonly runtime: string
  /** The token signing key, emptyDirs, claims, links to busybox; 0700. */
  readonly state: string
}

export function placesOf(env: NodeJS.ProcessEnv, uid: number): Places {
  if (uid === 0) return { runtime: '/run/podfs', state: '/var/lib/podfs' }
  // XDG Base Directory Specification: a relative path, and so an empty one, is to be ignored.
  const directory = (name: string): string | undefined =>
    path.isAbsolute(env[name] ?? '') ? env[name] : undefined
  const runtime = directory('XDG_RUNTIME_DIR')
  const home = directory('HOME') ?? '/'
  return {
    runtime:
      runtime === undefined ? `/tmp/podfs-${uid}` : path.join(runtime, 'podfs'),
    state: path.join(
      directory('XDG_STATE_HOME') ?? path.join(home, '.local/state'),
      'podfs',
    ),
  }
}
