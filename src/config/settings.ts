import type { ImageMapEntry } from '../api/image-map.ts'
import { logLevels, type LogLevel } from '../util/logger.ts'
import type { StructShape } from './shape.ts'

/** Where volumes are published; `auto`: the best that works. */
const backendChoices = ['fuse', 'fuse-native', 'dir', 'auto'] as const
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
  /** A file of age keys, beside those that sops looks for; '': none. */
  readonly ageKeyFile: string
  readonly images: readonly ImageMapEntry[]
}

/**
 * What podfs.yaml may say: the loader checks against it, the environment's and the flags'
 * names come from it, and so does config/podfs.schema.json, for editors.
 */
export const settingsShape: StructShape = {
  kind: 'struct',
  fields: {
    logLevel: {
      kind: 'string',
      oneOf: logLevels,
      default: 'warn',
      description: 'What goes to stderr.',
    },
    clusterDomain: {
      kind: 'string',
      default: 'cluster.local',
      description:
        "The last part of a Pod's full name: HOSTNAME.SUBDOMAIN.NAMESPACE.svc.CLUSTERDOMAIN.",
    },
    serviceAccountIssuer: {
      kind: 'string',
      default: 'https://kubernetes.default.svc.cluster.local',
      description: '`iss`, and the audience of a token that asks for none.',
    },
    backend: {
      kind: 'string',
      oneOf: backendChoices,
      default: 'fuse',
      description:
        "Where volumes are published: podfs's own file server, libfuse 2 through the npm package fuse-native, a tmpfs or plain directory, or the best that works here.",
    },
    fuse: {
      kind: 'struct',
      fields: {
        answerOpens: {
          kind: 'boolean',
          default: false,
          description:
            'true: the file server answers every open, and can count them. false: the kernel opens files by itself, which is faster.',
        },
      },
    },
    ageKeyFile: {
      kind: 'string',
      default: '',
      description:
        'A file of age keys for encrypted manifests and files, beside those that sops looks for.',
    },
    images: {
      kind: 'list',
      default: [],
      description:
        'What an image stands for on this machine. The most specific pattern wins.',
      of: {
        kind: 'struct',
        required: ['pattern'],
        fields: {
          pattern: {
            kind: 'string',
            description:
              'An image without tag or digest, a prefix that ends in /, or a pattern with *.',
          },
          entrypoint: {
            kind: 'list',
            of: { kind: 'string' },
            description: "The program, unless the container's command says it.",
          },
          args: {
            kind: 'list',
            of: { kind: 'string' },
            description: "Its arguments, unless the container's args say them.",
          },
          env: {
            kind: 'stringMap',
            description: "The image's environment; the container's own wins.",
          },
          workingDir: {
            kind: 'string',
            description: "Where it starts, unless the container's says it.",
          },
          user: {
            kind: 'string',
            description: 'USER, UID, or either with :GROUP; runAsUser wins.',
          },
          path: {
            kind: 'string',
            description: 'Its PATH.',
          },
        },
      },
    },
  },
}
