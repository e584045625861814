import { readdirSync, readFileSync } from 'node:fs'

/** Those of the machine. */
export function processes(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
}

/** All processes that descend from one, those in PID namespaces and sessions of their own as well. */
export function descendants(pid: number): number[] {
  return processes()
    .filter(child => parentOf(child) === pid)
    .flatMap(child => [child, ...descendants(child)])
}

/** Its words; none when it has ended. */
export function commandOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
  } catch {
    return []
  }
}

/** Those of the machine whose words, with blanks between them, have this in them. */
export function processesWith(words: string): number[] {
  return processes().filter(pid => commandOf(pid).join(' ').includes(words))
}

function parentOf(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^PPid:\t(\d+)$/m.exec(status)?.[1])
  } catch {
    return undefined
  }
}
