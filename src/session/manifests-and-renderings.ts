import {
  ManifestFiles,
  type ManifestFilesOptions,
} from '../sources/manifests/manifest-files.ts'
import { RenderedManifests } from '../sources/rendered/rendered-manifests.ts'
import type { Rendering } from '../sources/rendered/rendering.ts'
import { rendererBy } from './run-renderer.ts'

/** The two sources of objects that somebody has written: as they are, and as a program makes them. */
export function manifestsAndRenderings(
  input: {
    readonly paths: readonly string[]
    readonly renderings: readonly Rendering[]
  },
  given: Omit<ManifestFilesOptions, 'paths'>,
): { readonly manifests: ManifestFiles; readonly rendered: RenderedManifests } {
  const { store, clock, namespace, identities, report, onMended } = given
  const { watch, watchFrom, patient = false, onFields } = given
  const both = {
    store,
    clock,
    namespace,
    identities,
    report,
    onMended,
    onFields,
    watch,
    patient,
  }
  const manifests = new ManifestFiles({
    ...both,
    watchFrom,
    paths: input.paths,
  })
  const rendered = new RenderedManifests({
    ...both,
    renderings: input.renderings,
    run: rendererBy(clock),
  })
  return { manifests, rendered }
}
