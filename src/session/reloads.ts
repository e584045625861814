import { planReload } from '../config/changes.ts'
import type { EffectiveSettings } from '../config/layers.ts'
import { Failure } from '../util/failure.ts'
import type { Logger } from '../util/logger.ts'
import type { ServiceManager } from './service-manager.ts'

export interface ReloadRequest {
  /** Reads the configuration again. Throws a Failure that names every mistake. */
  readonly load: () => Promise<EffectiveSettings>
  /** A line for whoever reads what the daemon says. */
  readonly notice: (text: string) => void
  /** What is wrong with a configuration that was to be read again. */
  readonly mistake: (failure: Failure) => void
  readonly service: ServiceManager
  readonly logger: Logger
}

export interface ReloadOutcome {
  /** Names of settings that have changed, such as `sources.manifests`. */
  readonly applied: readonly string[]
  readonly needRestart: readonly string[]
}

/** Reads the configuration again, one time after the other. */
export class Reloads {
  readonly #request: ReloadRequest
  readonly #effective: () => EffectiveSettings
  readonly #apply: (next: EffectiveSettings) => Promise<void>
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    request: ReloadRequest,
    effective: () => EffectiveSettings,
    apply: (next: EffectiveSettings) => Promise<void>,
  ) {
    this.#request = request
    this.#effective = effective
    this.#apply = apply
  }

  /** Rejects with the Failure that it has told of. */
  reload(): Promise<ReloadOutcome> {
    const reload = this.#last.then(() => this.#reload())
    this.#last = reload.catch(() => undefined)
    return reload
  }

  async #reload(): Promise<ReloadOutcome> {
    const { load, logger, mistake, notice, service } = this.#request
    service.reloading()
    try {
      const plan = planReload(this.#effective(), await load())
      await this.#apply(plan.effective)
      const { applied, needRestart } = plan
      notice(
        applied.length === 0
          ? 'the configuration was read again; nothing to apply'
          : `the configuration was read again; applied: ${applied.join(', ')}`,
      )
      if (needRestart.length > 0)
        notice(`changed, and needs a restart: ${needRestart.join(', ')}`)
      return { applied, needRestart }
    } catch (error) {
      if (error instanceof Failure) {
        mistake(error)
        notice('the configuration stays as it was')
      } else logger.error({ err: error }, 'not reloaded')
      throw error
    } finally {
      service.ready()
    }
  }
}
