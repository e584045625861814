import { watch } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { MountError } from '../linux/mount-error.ts'
import type { Clock } from '../util/clock.ts'
import { Failure } from '../util/failure.ts'
import { silentLogger } from '../util/logger.ts'
import { type BackendName } from '../volumes/backend.ts'
import { hasPlainDirectory } from '../volumes/plain-directory.ts'
import { openBackend } from '../volumes/open-backend.ts'
import { AtomicWriter, prepareVolumeRoot } from '../writer/atomic-writer.ts'
import { tryWrite } from '../session/machine/try-write.ts'
import { createSessionDirectory } from '../session/runtime-directory.ts'

export interface ScratchSwapOptions {
  readonly backend: BackendName
  readonly runtime: string
  readonly clock: Clock
}

export type ScratchSwap =
  | {
      readonly ok: true
      /** From the first call of the second write to the watcher's event. */
      readonly ms: number
      /** The kernel refuses what others write. */
      readonly isReadOnly: boolean
    }
  | { readonly ok: false; readonly reason: string; readonly fix?: string }

/** An event that has not come by then does not come. */
const eventMs = 5000
const volume = 'scratch'

/**
 * What podfs is for, once, for real: a mount in the run-time directory, a volume of one key, a
 * watcher on its read-only bind, a second generation. Leaves nothing behind.
 */
export async function tryScratchSwap(
  options: ScratchSwapOptions,
): Promise<ScratchSwap> {
  try {
    return { ok: true, ...(await swap(options)) }
  } catch (error) {
    const { message } = error as Error
    const fix =
      error instanceof MountError || error instanceof Failure
        ? error.fix
        : undefined
    return { ok: false, reason: message, ...(fix !== undefined && { fix }) }
  }
}

async function swap(
  options: ScratchSwapOptions,
): Promise<{ readonly ms: number; readonly isReadOnly: boolean }> {
  const { backend: name, runtime } = options
  const session = await createSessionDirectory(runtime, 'mount')
  try {
    const shown = path.join(session.directory, 'shown')
    await mkdir(shown)
    const backend = await openBackend(name, {
      directory: session.directory,
      allowOther: false,
      answerOpens: false,
      lifetime: 'run',
      logger: silentLogger,
      shown: { subdirectory: volume, target: shown },
    })
    try {
      const root = path.join(backend.directory, volume)
      // In a plain directory it is a link to the one that is shown.
      await mkdir(root, { recursive: true })
      await prepareVolumeRoot(root, {}, backend.volumeRootMode)
      const writer = new AtomicWriter(root)
      const publish = (text: string): Promise<boolean> =>
        writer.write(
          new Map([['key', { data: Buffer.from(text), mode: 0o644 }]]),
        )
      await publish('before')
      await backend.bind(volume, shown)
      const key = path.join(shown, 'key')
      await expectText(key, 'before')
      const seen = watchForSwap(shown, options.clock)
      const startedAt = performance.now()
      await Promise.all([publish('after'), seen])
      const ms = performance.now() - startedAt
      await expectText(key, 'after')
      const isReadOnly = !(await hasPlainDirectory(session.directory))
      if (isReadOnly) await expectReadOnly(key)
      return { ms, isReadOnly }
    } finally {
      await backend.unbind(shown, { lazy: true }).catch(() => undefined)
      await backend.stop()
    }
  } finally {
    await session.remove()
  }
}

async function expectText(file: string, text: string): Promise<void> {
  const found = await readFile(file, 'utf8')
  if (found !== text)
    throw new Error(
      `the new content cannot be read: ${found} instead of ${text}`,
    )
}

async function expectReadOnly(file: string): Promise<void> {
  const said = await tryWrite(file)
  if (said !== 'Read-only file system')
    throw new Error(
      `a write by somebody else gives ${said === '' ? 'no error' : said}, not EROFS`,
    )
}

/** Resolves at the rename of `..data`, which every program that reloads waits for. */
async function watchForSwap(directory: string, clock: Clock): Promise<void> {
  const watcher = watch(directory)
  const giveUp = new AbortController()
  try {
    await Promise.race([
      new Promise<void>(resolve => {
        watcher.on('change', (_, name) => {
          if (String(name) === '..data') resolve()
        })
      }),
      clock.sleep(eventMs, giveUp.signal).then(() => {
        throw new Error('no inotify event came')
      }),
    ])
  } finally {
    giveUp.abort()
    watcher.close()
  }
}
