import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatFinding, type Finding } from '../../src/api/report.ts'
import {
  ManifestFiles,
  type ManifestFilesOptions,
} from '../../src/sources/manifests/manifest-files.ts'
import { DirectorySource } from '../../src/sources/keys/directory-source.ts'
import { AgeIdentities } from '../../src/sources/encryption/age-identities.ts'
import { Store, type StoreEvent } from '../../src/store/store.ts'
import { systemClock } from '../../src/util/clock.ts'
import type { SourceOptions } from '../../src/sources/source.ts'
import type { Test } from 'tap'

/** Far more than anything takes; a loaded machine must not make a test fail. */
const patienceMs = 30_000

/** A manifest of one ConfigMap. */
export function configMapYaml(
  name: string,
  data: Readonly<Record<string, string>>,
): string {
  const lines = Object.entries(data).map(
    ([key, value]) => `  ${key}: ${JSON.stringify(value)}`,
  )
  return `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata:\n${lines.join('\n')}\n`
}

export async function temporaryDirectory(t: Test): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'podfs-src-')))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** A store that is being filled, with all that has happened to it. */
export class Live {
  readonly store = new Store()
  readonly events: StoreEvent[] = []
  readonly batches: (readonly StoreEvent[])[] = []
  readonly findings: Finding[] = []
  readonly mended: string[] = []
  readonly #waiting = new Set<() => void>()

  constructor() {
    this.store.watch(batch => {
      this.events.push(...batch)
      this.batches.push(batch)
      this.#wake()
    })
  }

  readonly report = (finding: Finding): void => {
    this.findings.push(finding)
    this.#wake()
  }

  readonly onMended = (path: string): void => {
    this.mended.push(path)
    this.#wake()
  }

  get options() {
    return {
      store: this.store,
      clock: systemClock,
      namespace: 'default',
      identities: new AgeIdentities([]),
      report: this.report,
      onMended: this.onMended,
      watch: true,
    }
  }

  value(name: string, key = 'k'): string | undefined {
    return this.store.get('ConfigMap', 'default', name)?.data.get(key)
  }

  get deleted(): readonly StoreEvent[] {
    return this.events.filter(event => event.type === 'DELETED')
  }

  get lines(): readonly string[] {
    return this.findings.map(formatFinding)
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(check)
        reject(new Error(`waited in vain: ${what}`))
      }, patienceMs)
      const check = () => {
        if (!condition()) return
        clearTimeout(timer)
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
    })
  }

  #wake(): void {
    for (const check of this.#waiting) check()
  }
}

export async function follow(
  t: Test,
  paths: readonly string[],
  options: Partial<ManifestFilesOptions> = {},
): Promise<Live> {
  const live = new Live()
  const source = new ManifestFiles({ ...live.options, ...options, paths })
  t.teardown(() => source.close())
  await source.start()
  return live
}

/** The directory as the ConfigMap default/cm. */
export async function followDirectory(
  t: Test,
  directory: string,
  options: Partial<SourceOptions> = {},
): Promise<Live> {
  const live = new Live()
  const source = new DirectorySource({
    ...live.options,
    ...options,
    directory,
    kind: 'ConfigMap',
    name: 'cm',
  })
  t.teardown(() => source.close())
  await source.start()
  return live
}
