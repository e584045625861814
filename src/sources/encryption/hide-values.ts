import type { Finding } from '../../api/report.ts'
import type { Manifest } from '../manifests/manifest-reader.ts'

/** What is shorter would be found in the words of the message itself. */
const minLength = 4

/**
 * A mistake may be told with the value that is wrong. What sops has encrypted, whatever the
 * field, is not shown.
 */
export function hideValues<T extends Manifest>(
  manifest: T,
  values: ReadonlySet<string>,
): T {
  const hidden = [...values]
    .filter(value => value.length >= minLength)
    .flatMap(value => [value, JSON.stringify(value).slice(1, -1)])
    // The longest first: one value may be a part of another.
    .sort((a, b) => b.length - a.length)
  const hide = (text: string): string =>
    hidden.reduce((rest, value) => rest.replaceAll(value, '...'), text)
  const findings = manifest.findings.map((finding): Finding => {
    const { fix, ...rest } = finding
    const message = hide(rest.message)
    // A fix may be made of the value: a name in small letters.
    const shown = message === rest.message && fix !== undefined
    return { ...rest, message, ...(shown && { fix: hide(fix) }) }
  })
  return { ...manifest, findings }
}
