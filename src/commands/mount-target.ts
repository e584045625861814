import type { MountpointRequest } from '../session/public-mountpoint.ts'
import type { SessionOptions } from '../session/session.ts'
import type { PodChoice } from '../pods/choose-pods.ts'

/** The name of the volume around a directory, a ConfigMap or a Secret. */
export const loneVolume = 'volume'

/** What to serve. */
export type MountTarget =
  | { readonly kind: 'directory'; readonly directory: string }
  | { readonly kind: 'configMap' | 'secret'; readonly name: string }
  | {
      readonly kind: 'pod'
      readonly choice: PodChoice
      readonly volume: string | undefined
    }

export interface MountRequest extends SessionOptions, MountpointRequest {
  readonly target: MountTarget
  readonly allowOther: boolean
  readonly detached: boolean
  /** Gives up waiting for what a volume still lacks. */
  readonly abort: AbortSignal
}

/** The volume that MOUNTPOINT is; '' when it has a directory for each. */
export function shownVolume(target: MountTarget): string {
  return target.kind === 'pod' ? (target.volume ?? '') : loneVolume
}

/** Equal for two requests whose mounts are laid out and protected alike. */
export function mountLayout(
  request: MountRequest,
  volumes: readonly string[],
): string {
  const { allowOther, settings, target } = request
  return JSON.stringify([
    settings.backend,
    settings.fuse.answerOpens,
    allowOther,
    shownVolume(target),
    ...volumes,
  ])
}
