import type { Finding } from '../api/report.ts'
import type { Settings } from '../config/settings.ts'
import type { AgeIdentities } from '../sources/encryption/age-identities.ts'
import {
  DirectorySource,
  type DirectorySourceOptions,
} from '../sources/keys/directory-source.ts'
import {
  SourceError,
  unreadable,
  unreadableFinding,
} from '../sources/errors.ts'
import type { ManifestFiles } from '../sources/manifests/manifest-files.ts'
import type { RenderedManifests } from '../sources/rendered/rendered-manifests.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../util/clock.ts'
import { inBackground } from '../util/in-background.ts'
import { manifestsAndRenderings } from './manifests-and-renderings.ts'
import { renderingsOf } from './renderings-of.ts'
import { errorCode } from '../util/error-code.ts'

/** A directory that is not there is looked for again after this. */
const retryMs = 1000

export interface LiveSourcesOptions {
  readonly store: Store
  readonly clock: Clock
  readonly report: (finding: Finding) => void
  readonly onMended: (path: string) => void
  readonly identities: AgeIdentities
}

/**
 * The sources of a podfs that goes on for weeks: which they are may change, and one that is not
 * there or cannot be read is told of, waited for, and holds up no other.
 */
export class LiveSources {
  readonly #options: LiveSourcesOptions
  readonly #directories = new Map<string, WaitedForDirectory>()
  #manifests: ManifestFiles | undefined
  #rendered: RenderedManifests | undefined

  constructor(options: LiveSourcesOptions) {
    this.#options = options
  }

  /** Everything that can be read is in the store, and nothing else is. */
  get isSound(): boolean {
    return (
      this.#manifests?.isSound === true &&
      this.#rendered?.isSound === true &&
      [...this.#directories.values()].every(({ isSound }) => isSound)
    )
  }

  /** In the input at the moment; a directory that is not there is one. */
  get mistakes(): number {
    return [...this.#directories.values()].reduce(
      (sum, { mistakes }) => sum + mistakes,
      (this.#manifests?.mistakes ?? 0) + (this.#rendered?.mistakes ?? 0),
    )
  }

  /** Resolves when everything that is there has been read. */
  async start(sources: Settings['sources']): Promise<void> {
    const { store, clock, identities, report, onMended } = this.#options
    const { namespace } = sources
    const { manifests, rendered } = manifestsAndRenderings(
      { paths: sources.manifests, renderings: renderingsOf(sources) },
      {
        store,
        clock,
        namespace,
        identities,
        report,
        onMended,
        watch: true,
        patient: true,
      },
    )
    this.#manifests = manifests
    this.#rendered = rendered
    await Promise.all([
      manifests.start(),
      rendered.start(),
      this.#setDirectories(sources),
    ])
  }

  /** These from now on; what only others had goes from the store. */
  async change(sources: Settings['sources']): Promise<void> {
    this.#manifests?.setPaths(sources.manifests)
    await Promise.all([
      this.#rendered?.setRenderings(renderingsOf(sources)),
      this.#setDirectories(sources),
    ])
  }

  async close(): Promise<void> {
    await this.#manifests?.close()
    await this.#rendered?.close()
    for (const directory of this.#directories.values()) await directory.close()
  }

  async #setDirectories(sources: Settings['sources']): Promise<void> {
    const { store, clock, identities, report, onMended } = this.#options
    const kinds = { ConfigMap: sources.configMaps, Secret: sources.secrets }
    const wanted = new Map(
      (['ConfigMap', 'Secret'] as const).flatMap(kind =>
        kinds[kind].map(each => [JSON.stringify([kind, each]), { kind, each }]),
      ),
    )
    const started = [...wanted]
      .filter(([key]) => !this.#directories.has(key))
      .map(async ([key, { kind, each }]) => {
        const directory = new WaitedForDirectory({
          store,
          clock,
          namespace: each.namespace ?? sources.namespace,
          identities,
          report,
          onMended,
          kind,
          directory: each.directory,
          name: each.name,
        })
        this.#directories.set(key, directory)
        await directory.start()
      })
    // Before others go: an object that moves from one to another stays.
    await Promise.all(started)
    for (const [key, directory] of this.#directories) {
      if (wanted.has(key)) continue
      this.#directories.delete(key)
      await directory.close()
      directory.release()
    }
  }
}

/** A plain directory that may come later. */
class WaitedForDirectory {
  readonly #options: DirectorySourceOptions
  #source: DirectorySource
  #isClosed = false
  #told: SourceError | undefined
  #retry: { cancel(): void } | undefined

  constructor(options: DirectorySourceOptions) {
    this.#options = options
    this.#source = this.#make()
  }

  get isSound(): boolean {
    return this.#source.isSound
  }

  get mistakes(): number {
    return this.#told === undefined ? this.#source.mistakes : 1
  }

  /** Resolves when it has been read, or cannot be at the moment. */
  async start(): Promise<void> {
    try {
      await this.#source.start()
      if (this.#told !== undefined) this.#options.onMended?.(this.#told.path)
      this.#told = undefined
    } catch (error) {
      const { directory } = this.#options
      // A defect is none of the directory's.
      if (errorCode(error) === undefined) throw error
      this.#tell(
        error instanceof SourceError ? error : unreadable(directory, error),
      )
      if (this.#isClosed) return
      this.#retry = this.#options.clock.after(retryMs, () => {
        this.#source = this.#make()
        inBackground(this.start())
      })
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#retry?.cancel()
    await this.#source.close()
  }

  release(): void {
    this.#source.release()
  }

  #make(): DirectorySource {
    return new DirectorySource(this.#options)
  }

  #tell(error: SourceError): void {
    if (error.reason === this.#told?.reason) return
    this.#told = error
    this.#options.report(unreadableFinding(error, false))
  }
}
