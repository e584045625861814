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
  const home = env['HOME'] ?? '/'
  return {
    runtime:
      env['XDG_RUNTIME_DIR'] === undefined
        ? `/tmp/podfs-${uid}`
        : path.join(env['XDG_RUNTIME_DIR'], 'podfs'),
    state: path.join(
      env['XDG_STATE_HOME'] ?? path.join(home, '.local/state'),
      'podfs',
    ),
  }
}
