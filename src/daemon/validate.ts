import type { Finding } from '../api/report.ts'
import { ManifestFiles } from '../sources/manifest-files.ts'
import { Store } from '../store/store.ts'
import { asFailure } from './failures.ts'
import type { SessionOptions } from './session.ts'

/** Reads everything once and returns what there is to say about it. */
export async function validate(options: SessionOptions): Promise<Finding[]> {
  const findings: Finding[] = []
  const source = new ManifestFiles({
    ...options,
    store: new Store(),
    watch: false,
    report: finding => findings.push(finding),
  })
  try {
    await source.start()
  } catch (error) {
    throw asFailure(error)
  } finally {
    await source.close()
  }
  return findings
}
