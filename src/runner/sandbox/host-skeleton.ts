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

/** To a depth at which there are a few thousand; few programs make files deeper down. */
const inUsr = 'find . -xdev -mindepth 1 -maxdepth 3 -type d -print0'
const inOthers = 'find . -xdev -maxdepth 6 -type d -print0'

/** What cannot be read is left out; find(1) and tar(1) say so, and end with a failure. */
const script = `
umask 022
mount -n -t tmpfs -o mode=0755 podfs "$1" && cd "$1" || exit 1
is_directory() {
  [ -d "/$1" ] && [ ! -L "/$1" ] && mkdir "$1"
}
packed() {
  tar -x -p --no-same-owner -C "$1"
}
{
  # Their modes are those of all: to look at them all takes longer.
  ! is_directory usr || (cd /usr && ${inUsr}) | (cd usr && xargs -0 mkdir -p)
  for top in var opt; do
    ! is_directory $top || (cd /$top && ${inOthers} | tar -c --no-recursion --null -T -) | packed $top
  done
  ! is_directory etc || tar -C /etc -c . | packed etc
} 2>/dev/null
exit 0
`
