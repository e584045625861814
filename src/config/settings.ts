import type { ImageMapEntry } from '../api/image-map.ts'
import type { NoneLeft } from '../util/none-left.ts'
import { logLevels } from '../util/log-levels.ts'
import type { SettingShape, StructShape } from './setting-shape.ts'
import type {
  LeafName,
  LiveName,
  SomeOf,
  ValueOf,
} from './setting-shape-types.ts'

/** Where volumes are published; `auto`: the best that works. */
export const backendChoices = ['fuse', 'fuse-native', 'dir', 'auto'] as const
export type BackendChoice = (typeof backendChoices)[number]

/** Which Pods `podfs serve` runs. */
export const runChoices = ['none', 'annotated', 'all'] as const
export type RunChoice = (typeof runChoices)[number]

/** Whose network a Pod has. */
export const networkChoices = ['host', 'pod'] as const

/** Where the output of containers is kept. */
const logStorageChoices = ['memory', 'files'] as const

const namespacePattern = {
  source: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
  must: 'be lower-case letters, digits and -',
} as const

/**
 * What podfs.yaml may say: the loader checks against it, the environment's and the flags'
 * names come from it, and so does config/podfs.schema.json, for editors.
 */
export const settingsShape = {
  kind: 'struct',
  fields: {
    logLevel: {
      kind: 'string',
      oneOf: logLevels,
      default: 'warn',
      live: true,
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
      isPath: true,
      default: '',
      description:
        'A file of age keys for encrypted manifests and files, beside those that sops looks for.',
    },
    images: {
      kind: 'list',
      default: [],
      live: true,
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
    backoffScale: {
      kind: 'number',
      min: 0.01,
      max: 1,
      default: 1,
      live: true,
      description:
        'How long a container that crashes again and again waits, as a share of what it waits on a node: with 0.1 that is 1, 2, 4 ... 30 s.',
    },
    network: {
      kind: 'string',
      oneOf: networkChoices,
      default: 'host',
      description:
        "Whose network a Pod has: this machine's, or one of its own with an address that this machine and the other Pods reach. A Pod with hostNetwork has this machine's in any case. Of an ordinary user this machine reaches the Pod's ports at loopback addresses that podfs prints.",
    },
    cni: {
      kind: 'struct',
      fields: {
        confDir: {
          kind: 'string',
          isPath: true,
          default: '',
          description:
            "For `network: pod`: a directory of CNI network configurations, of which the first by name is taken; without one, podfs's own network.",
        },
        binDirs: {
          kind: 'list',
          of: { kind: 'string', isPath: true },
          default: ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'],
          description:
            'For `network: pod`: where CNI plugins are looked for, in this order.',
        },
      },
    },
    serviceSubnet: {
      kind: 'string',
      pattern: {
        source: '^([0-9]{1,3}(\\.[0-9]{1,3}){3}/(1[2-9]|2[0-8]))?$',
        must: 'be an IPv4 subnet of 12 to 28 bits such as 10.96.0.0/16',
      },
      default: '',
      description:
        'For `network: pod`: where Services have their addresses from, which podfs gives this machine one by one; without it a private subnet that this machine has no route to.',
    },
    logStorage: {
      kind: 'string',
      oneOf: logStorageChoices,
      default: 'memory',
      description:
        'Where the output of containers is kept: in memory, the newest MiB of each, or in files of the CRI format below the state directory.',
    },
    containerLogMaxSize: {
      kind: 'string',
      pattern: {
        source: '^[1-9][0-9]{0,9}(k|M|G|Ki|Mi|Gi)?$',
        must: 'be a size such as 10Mi',
      },
      default: '10Mi',
      description: 'logStorage files: a larger one is put aside.',
    },
    containerLogMaxFiles: {
      kind: 'number',
      min: 2,
      max: 1000,
      default: 5,
      description:
        'logStorage files: so many of one run of a container, then the oldest goes.',
    },
    hostDirectories: {
      kind: 'list',
      of: { kind: 'string', isPath: true },
      default: ['/*'],
      description:
        "Directories of this machine that containers share. /* is every one at the top that is not the system's, but /tmp: a container has a fresh one. The directory in which podfs was started and those of its manifests are always seen.",
    },
    privileged: {
      kind: 'string',
      oneOf: ['allow', 'refuse'],
      default: 'allow',
      description:
        'Whether containers with securityContext.privileged run: as root of this machine, with all of its devices.',
    },
    allowedUnsafeSysctls: {
      kind: 'list',
      of: {
        kind: 'string',
        pattern: {
          source: '^(kernel[./](sem|shm|msg)|fs[./]mqueue[./]|net[./])',
          must: 'be a sysctl of a namespace, or the beginning of some with *: kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*, net.*',
        },
      },
      default: [],
      description:
        'Sysctls that Pods may set beside those that Kubernetes calls safe; names, or their beginnings with *.',
    },
    node: {
      kind: 'struct',
      fields: {
        labels: {
          kind: 'stringMap',
          default: {},
          description:
            'Labels of this machine as a node, for nodeSelector and node affinity; kubernetes.io/hostname, arch and os are set.',
        },
        taints: {
          kind: 'list',
          default: [],
          description:
            'Taints of this machine as a node: a Pod runs here only if it tolerates those with NoSchedule and NoExecute.',
          of: {
            kind: 'struct',
            required: ['key', 'effect'],
            fields: {
              key: { kind: 'string', description: 'As in core/v1 Taint.' },
              value: { kind: 'string', description: 'May be absent.' },
              effect: {
                kind: 'string',
                oneOf: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'],
                description: 'What it does to a Pod that does not tolerate it.',
              },
            },
          },
        },
      },
    },
    root: {
      kind: 'string',
      isPath: true,
      default: '/srv/podfs',
      description:
        'podfs serve: where its mount is, with everything it serves.',
    },
    access: {
      kind: 'string',
      pattern: {
        source: '^(owner|everybody|group:[^:]+)$',
        must: 'be owner, everybody or group:NAME',
      },
      default: 'owner',
      live: true,
      description:
        'podfs serve: who may enter its root: owner, group:NAME (or a number), or everybody.',
    },
    run: {
      kind: 'string',
      oneOf: runChoices,
      default: 'annotated',
      live: true,
      description:
        'podfs serve: which Pods are run: none, those with the annotation podfs.io/run: "true", or all but those with "false" (of CronJobs only those with "true").',
    },
    sources: {
      kind: 'struct',
      fields: {
        namespace: {
          kind: 'string',
          pattern: namespacePattern,
          default: 'default',
          description: 'podfs serve: the namespace of objects that name none.',
        },
        manifests: {
          kind: 'list',
          of: { kind: 'string', isPath: true },
          default: [],
          live: true,
          description:
            'podfs serve: manifest files, and directories of them. -f wins.',
        },
        kustomizations: {
          kind: 'list',
          of: { kind: 'string', isPath: true },
          default: [],
          live: true,
          description:
            'podfs serve: directories with a kustomization.yaml, rendered by kubectl or kustomize and followed. -k wins.',
        },
        charts: {
          kind: 'list',
          default: [],
          live: true,
          description:
            'podfs serve: Helm charts, rendered by helm and followed. --helm wins.',
          of: {
            kind: 'struct',
            required: ['chart'],
            fields: {
              chart: {
                kind: 'string',
                isPath: true,
                description:
                  'The directory or the .tgz; the release is called as the chart is.',
              },
              values: {
                kind: 'list',
                of: { kind: 'string', isPath: true },
                description: 'Values files; the last one wins.',
              },
            },
          },
        },
        configMaps: directories('ConfigMap'),
        secrets: directories('Secret'),
      },
    },
  },
} as const satisfies StructShape

/** Everything a podfs.yaml can say, defaults filled in. */
export type Settings = ValueOf<typeof settingsShape>

/** The name of a setting, such as `fuse.answerOpens`. */
export type SettingName = LeafName<typeof settingsShape>

/** The name of a setting that counts as soon as podfs has been told to reload. */
export type LiveSetting = LiveName<typeof settingsShape>

/**
 * The settings for which somebody asks by name. What is read and was not asked for does not
 * compile, nor does a setting for which nobody asks (../cli/serve-settings.ts).
 */
export type SettingsFor<Name extends SettingName> = SomeOf<Settings, Name>

/** A plain directory as one ConfigMap or Secret. */
export type DirectorySetting = Settings['sources']['configMaps'][number]

/** A Helm chart, and the values files that it is rendered with. */
export type ChartSetting = Settings['sources']['charts'][number]

export type ImagesAreTaken = NoneLeft<
  Exclude<keyof Settings['images'][number], keyof ImageMapEntry>
>

function directories<Kind extends 'ConfigMap' | 'Secret'>(kind: Kind) {
  return {
    kind: 'list',
    default: [],
    live: true,
    description: `podfs serve: plain directories, each one ${kind}: its files are the keys.`,
    of: {
      kind: 'struct',
      required: ['directory', 'name'],
      fields: {
        directory: { kind: 'string', isPath: true },
        name: {
          kind: 'string',
          pattern: {
            source: '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$',
            must: 'be lower-case letters, digits, - and .',
          },
          description: `metadata.name of the ${kind}.`,
        },
        namespace: {
          kind: 'string',
          pattern: namespacePattern,
          description: 'Its namespace; sources.namespace when absent.',
        },
      },
    },
  } as const satisfies SettingShape
}
