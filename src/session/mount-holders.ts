import { readdir, readFile, readlink } from 'node:fs/promises'
import path from 'node:path'
import { isWithin } from '../linux/is-within.ts'
import { hasCode } from '../util/error-code.ts'

export interface MountHolder {
  readonly pid: number
  readonly name: string
}

/**
 * The processes that have a file open below a mount point, run a program from it, have it
 * mapped, or stand in it. Looks at names in /proc only: a dead mount must not be touched.
 */
export async function holdersOf(mountpoint: string): Promise<MountHolder[]> {
  const pids = (await readdir('/proc')).filter(
    name => /^\d+$/.test(name) && Number(name) !== process.pid,
  )
  const holders = await Promise.all(
    pids.map(pid => holderIn(`/proc/${pid}`, mountpoint)),
  )
  return holders.filter(holder => holder !== undefined)
}

/** The same of one process, by its directory of proc(5); undefined: it holds nothing. */
export async function holderIn(
  process: string,
  mountpoint: string,
): Promise<MountHolder | undefined> {
  if (!(await holds(process, mountpoint))) return undefined
  const pid = Number(path.basename(process))
  try {
    const comm = await readFile(`${process}/comm`, 'utf8')
    return { pid, name: comm.replace(/\n$/, '') }
  } catch (error) {
    // One that has just ended holds nothing any more.
    if (hasCode(error, 'ENOENT', 'ESRCH')) return undefined
    return { pid, name: 'a process' }
  }
}

async function holds(process: string, mountpoint: string): Promise<boolean> {
  const link = (name: string): Promise<string> =>
    readlink(`${process}/${name}`).catch(() => '')
  const fds = await readdir(`${process}/fd`).catch(() => [])
  const links = await Promise.all(
    ['cwd', 'root', 'exe', ...fds.map(fd => `fd/${fd}`)].map(link),
  )
  if (links.some(file => isWithin(file, mountpoint))) return true
  const maps = await readFile(`${process}/maps`, 'utf8').catch(() => '')
  // A name of another place may end with the mount point's.
  return maps.includes(` ${mountpoint}/`)
}
