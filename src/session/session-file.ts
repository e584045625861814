import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { isRunning, type ProcessIdentity } from '../linux/process-identity.ts'
import { refuseForeignDirectory } from './private-directory.ts'

/**
 * The directory of one podfs process, RUNTIME/ID: its sockets, its private mount, its Pod's
 * hosts file. `session.json` in it says whose it is.
 */
export interface Session extends ProcessIdentity {
  readonly command: 'mount' | 'run' | 'serve'
  /** Of `mount` and `serve`: the public path. */
  readonly mountpoint?: string
  /** It was not there before, and goes at the end. */
  readonly madeMountpoint?: boolean
  /** Of `mount` and `serve`: what it serves, in one word to compare. */
  readonly serves?: string
  /** Where its mount is, when that is no longer the first one. */
  readonly mountDirectory?: string
  /** Of an ordinary user's `serve`: where the mount of its public tree is, which is another one. */
  readonly treeDirectory?: string
  /** Of `run` and `serve`: namespace/name of its Pods and Services, and the address that each has from podfs. */
  readonly pods?: Readonly<Record<string, string>>
  /** Of `serve`: how many Pods workloads were scaled to, by kind/namespace/name. */
  readonly replicas?: Readonly<Record<string, number>>
}

export function sessionFile(directory: string): string {
  return path.join(directory, 'session.json')
}

export interface FoundSession extends Session {
  readonly directory: string
  readonly running: boolean
}

/**
 * Every session of this user, also of processes that have ended without cleaning up. Throws a
 * Failure where the directory is somebody else's.
 */
export function listSessions(runtime: string): FoundSession[] {
  refuseForeignDirectory(runtime)
  const found = namesIn(runtime).map(name => {
    const directory = path.join(runtime, name)
    try {
      const text = readFileSync(sessionFile(directory), 'utf8')
      const session = JSON.parse(text) as Session
      return { ...session, directory, running: isRunning(session) }
    } catch {
      return undefined
    }
  })
  return found.filter(session => session !== undefined)
}

/** None where there is no such directory. */
export function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
