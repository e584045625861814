import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemPath } from '../../linux/machine-tools.ts'

/*
 * In a user namespace nothing of what root of the machine owns can be written, in an overlay
 * neither: its owner has no number there. But whoever owns a directory may make, replace and
 * remove files in it, and in an overlay it belongs to whom it belongs in the uppermost of its
 * layers. So there is one more layer between the host's files and a container's own, on a tmpfs:
 *
 *   DIRECTORY/usr, /var, /opt   the host's directories, without files, down to a depth
 *   DIRECTORY/etc               all that the user can read, for programs write their files there
 *
 * The files of the first three stay as they are: they can be replaced, and not written to.
 */

const made = new Map<string, Promise<string>>()

/**
 * Makes it in this directory, once for all of this process who ask. Who ends the session unmounts
 * it. Rejects when there is no room.
 */
export async function makeSkeleton(directory: string): Promise<string> {
  let making = made.get(directory)
  making ??= make(join(directory, `skeleton-${process.pid}`))
  made.set(directory, making)
  return await making
}

async function make(skeleton: string): Promise<string> {
  mkdirSync(skeleton, { recursive: true })
  await promisify(execFile)(
    '/bin/sh',
    ['-c', script, 'podfs-skeleton', skeleton],
    { cwd: '/', env: { PATH: systemPath, LC_ALL: 'C' } },
  )
  return skeleton
}

/**
 * To a depth at which there are a few thousand; few programs make files deeper down. In as few
 * processes as can be: the first container waits for it. Of those of /usr the modes are those of
 * all: to look at them takes longer. What cannot be read is left out; the programs say so, and end
 * with a failure.
 */
const script = `
umask 022
mount -n -t tmpfs -o mode=0755 podfs "$1" && cd / || exit 1
is_directory() {
  [ -d "/$1" ] && [ ! -L "/$1" ]
}
{
  ! is_directory usr || find usr -xdev -maxdepth 3 -type d -print0 | (cd "$1" && xargs -0 mkdir)
  for top in var opt; do
    ! is_directory $top || set -- "$@" $top
  done
  skeleton=$1
  shift
  [ $# = 0 ] || find "$@" -xdev -maxdepth 6 -type d -print0 | tar -c --no-recursion --null -T - | tar -x -p --no-same-owner -C "$skeleton"
  ! is_directory etc || cp -R -P --preserve=mode,timestamps,links etc "$skeleton"
} 2>/dev/null
exit 0
`
