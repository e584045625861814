import type { FileKind, HostView } from '../../../src/linux/host-view.ts'
import type { Mount } from '../../../src/linux/mountinfo.ts'

export interface FakeFile {
  readonly kind?: FileKind
  readonly target?: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
}

const directory: FakeFile = { kind: 'directory' }
const file: FakeFile = { kind: 'file' }
export const socket: FakeFile = { kind: 'other' }
export const link = (target: string): FakeFile => ({ kind: 'symlink', target })

/** A small Debian. */
const debian: Readonly<Record<string, FakeFile>> = {
  '/bin': link('usr/bin'),
  '/usr': directory,
  '/usr/bin': directory,
  '/usr/bin/dash': file,
  '/usr/bin/sh': link('dash'),
  '/usr/share': directory,
  '/etc': directory,
  '/etc/hosts': file,
  '/etc/hostname': file,
  '/var': directory,
  '/var/run': link('/run'),
  '/var/mail': { kind: 'directory', mode: 0o2775, gid: 8 },
  '/run': directory,
  '/run/docker.sock': socket,
  '/run/nginx.pid': file,
  '/run/lock': directory,
  '/run/shm': link('/dev/shm'),
  '/dev': directory,
  '/proc': directory,
  '/home': directory,
  '/home/me': { kind: 'directory', mode: 0o700, uid: 1000, gid: 1000 },
  '/home/me/notes': file,
  '/home/me/project': directory,
  '/vol': directory,
  '/vol/key': file,
  '/vol/inner': directory,
  '/.dockerenv': file,
}

/** A host from a table of paths; what it adds to, or takes from (undefined), the Debian. */
export function fakeHost(
  extra: Readonly<Record<string, FakeFile | undefined>> = {},
  mounts: readonly Partial<Mount>[] = [],
): HostView {
  const files = new Map(Object.entries({ ...debian, ...extra }))
  return {
    lstat: path => {
      const found = path === '/' ? directory : files.get(path)
      if (!found) return undefined
      const { kind = 'file', mode = 0o755, uid = 0, gid = 0 } = found
      return { kind, mode, uid, gid }
    },
    readlink: path => files.get(path)?.target ?? '',
    readdir: path =>
      [...files.entries()]
        .filter(([, found]) => found)
        .map(([name]) => name)
        .filter(
          name => name.replace(/\/[^/]*$/, '') === path.replace(/\/$/, ''),
        )
        .map(name => name.slice(name.lastIndexOf('/') + 1)),
    mounts: mounts.map((mount, i) => ({
      id: i + 2,
      parentId: 1,
      device: '8:1',
      root: '/',
      mountpoint: '/',
      options: ['rw'],
      propagation: 'private',
      type: 'ext4',
      source: '/dev/vda',
      superOptions: ['rw'],
      ...mount,
    })),
  }
}
