import type { ImageMapEntry } from '../api/image-map.ts'
import { logLevels, type LogLevel } from '../util/logger.ts'

/** Where volumes are published; `auto`: the best that works. */
export const backendChoices = ['fuse', 'fuse-native', 'dir', 'auto'] as const
export type BackendChoice = (typeof backendChoices)[number]

/** Everything a podfs.yaml can say, defaults filled in. */
export interface Settings {
  readonly logLevel: LogLevel
  readonly clusterDomain: string
  /** `iss` and the default audience of service account tokens. */
  readonly serviceAccountIssuer: string
  readonly backend: BackendChoice
  readonly fuse: {
    /** Whether the file server answers every open, instead of letting the kernel do it alone. */
    readonly answerOpens: boolean
  }
  readonly images: readonly ImageMapEntry[]
}

export const defaultSettings: Settings = {
  logLevel: 'warn',
  clusterDomain: 'cluster.local',
  serviceAccountIssuer: 'https://kubernetes.default.svc.cluster.local',
  backend: 'fuse',
  fuse: { answerOpens: false },
  images: [],
}

/**
 * The shape of a podfs.yaml as data: the loader checks against it. `kind` says what a value
 * must be; a struct's fields are all optional but for those in `required`.
 */
export type SettingShape =
  | { readonly kind: 'string'; readonly oneOf?: readonly string[] }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'strings' }
  | { readonly kind: 'stringMap' }
  | { readonly kind: 'list'; readonly of: SettingShape }
  | {
      readonly kind: 'struct'
      readonly fields: Readonly<Record<string, SettingShape>>
      readonly required?: readonly string[]
    }

export const settingsShape: SettingShape = {
  kind: 'struct',
  fields: {
    logLevel: { kind: 'string', oneOf: logLevels },
    clusterDomain: { kind: 'string' },
    serviceAccountIssuer: { kind: 'string' },
    backend: { kind: 'string', oneOf: backendChoices },
    fuse: { kind: 'struct', fields: { answerOpens: { kind: 'boolean' } } },
    images: {
      kind: 'list',
      of: {
        kind: 'struct',
        required: ['pattern'],
        fields: {
          pattern: { kind: 'string' },
          entrypoint: { kind: 'strings' },
          args: { kind: 'strings' },
          env: { kind: 'stringMap' },
          workingDir: { kind: 'string' },
          user: { kind: 'string' },
          path: { kind: 'string' },
        },
      },
    },
  },
}
