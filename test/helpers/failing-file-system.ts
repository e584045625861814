import type { FillDirectory } from '../../src/util/new-entry.ts'
import {
  volumeFileSystem,
  type VolumeFileSystem,
} from '../../src/writer/volume-tree.ts'

const mutating = [
  'chmod',
  'fill',
  'lchown',
  'mkdir',
  'rename',
  'rmdir',
  'symlink',
  'unlink',
  'writeFile',
] as const

/**
 * - `dies`: the call and all later ones never return, as if the process had been killed;
 * - `fails once`: the call fails with EIO, later ones work;
 * - `fails`: the call and all later changes fail, the cleaning up too.
 */
export type FailureMode = 'dies' | 'fails once' | 'fails'

export interface FailingFileSystem {
  readonly fileSystem: VolumeFileSystem
  /** Resolves when the fatal call was made and the calls before it have ended. */
  readonly died: Promise<void>
  /** The call that failed, such as `symlink ..data_tmp`; undefined if none did. */
  readonly failedCall: () => string | undefined
  /** From now on everything works. */
  readonly heal: () => void
}

/** A file system whose changes work `calls` times. */
export function failAfter(
  calls: number,
  failure: FailureMode,
  fill?: FillDirectory,
): FailingFileSystem {
  let made = 0
  let failedCall: string | undefined
  let dead = false
  let healed = false
  const inFlight = new Set<Promise<unknown>>()
  let resolveDied: () => void = () => {}
  const died = new Promise<void>(resolve => {
    resolveDied = resolve
  })
  const never = new Promise<never>(() => {})

  const fail = (name: string, args: readonly unknown[]): Promise<never> => {
    failedCall ??= describeCall(name, args)
    if (failure !== 'dies')
      return Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }))
    dead = true
    void Promise.allSettled(inFlight).then(resolveDied)
    return never
  }

  const fileSystem = Object.fromEntries(
    Object.entries({ ...volumeFileSystem, ...(fill && { fill }) }).map(
      ([name, method]) => [
        name,
        (...args: unknown[]) => {
          if (dead) return never
          if ((mutating as readonly string[]).includes(name)) {
            made += 1
            const broken =
              failure === 'fails once' ? made === calls + 1 : made > calls
            if (broken && !healed) return fail(name, args)
          }
          const call = (method as (...args: unknown[]) => Promise<unknown>)(
            ...args,
          )
          inFlight.add(call)
          const settled = () => void inFlight.delete(call)
          call.then(settled, settled)
          return call
        },
      ],
    ),
  ) as unknown as VolumeFileSystem
  return {
    fileSystem,
    died,
    failedCall: () => failedCall,
    heal: () => {
      healed = true
    },
  }
}

function describeCall(name: string, args: readonly unknown[]): string {
  const path = String(name === 'symlink' ? args[1] : args[0])
  const at = path.search(/\.\.\d{4}_/)
  const short =
    at === -1 ? path.slice(path.lastIndexOf('/') + 1) : path.slice(at)
  return `${name} ${short.replace(/\.\.\d{4}_[\d_]+\.\d+/, '..ts')}`
}
