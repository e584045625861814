import { rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Test } from 'tap'
import { startPodfs, type RunningPodfs } from './podfs.ts'

/*
 * A real Pod (`podfs run`, the built program) that looks at many volumes at once: each look is
 * a command in a container, with a volume of its own, and its output is compared to the byte.
 * A look with `after` is taken again and again once the objects have changed, until it shows
 * that.
 */

export type Json = Readonly<Record<string, unknown>>

export interface Look {
  /** For the title: `C11`, or `C48 C62`; none: it is no conformance behaviour. */
  readonly ids?: string | undefined
  readonly what: string
  /** Mounted at $V and $W. */
  readonly volumes?: readonly Json[]
  /** More of the first one's volumeMount. */
  readonly mount?: Json
  /** runAsUser of the container that looks. */
  readonly as?: number
  /** sh. */
  readonly see: string
  readonly expect: string | RegExp
  /** Given the output, to look at it further. */
  readonly onSeen?: (output: string) => void
  /** What it must come to show. */
  readonly after?: string
}

export interface LookingPod {
  readonly looks: readonly Look[]
  readonly objects?: readonly Json[]
  readonly metadata?: Json
  readonly spec?: Json
  /** Of each container that looks: mounts of volumes in `spec`. */
  readonly mounts?: readonly Json[]
  /** Further containers; theirs is to end by themselves. */
  readonly containers?: readonly Json[]
  /** How the input is changed when every look has been taken once. */
  readonly change?: {
    /** New ones, and new states. */
    readonly objects?: readonly Json[]
    /** Names of objects. */
    readonly remove?: readonly string[]
    readonly metadata?: Json
  }
}

/** A volume source, as the manifest has it. */
export const volume = {
  configMap: (name: string, more: Json = {}): Json => ({
    configMap: { name, ...more },
  }),
  secret: (secretName: string, more: Json = {}): Json => ({
    secret: { secretName, ...more },
  }),
  projected: (sources: readonly Json[], more: Json = {}): Json => ({
    projected: { sources, ...more },
  }),
  downwardAPI: (items: readonly Json[], more: Json = {}): Json => ({
    downwardAPI: { items, ...more },
  }),
  emptyDir: (more: Json = {}): Json => ({ emptyDir: more }),
}

export const object = {
  configMap: (name: string, data: Json, more: Json = {}): Json => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data,
    ...more,
  }),
  secret: (name: string, stringData: Json, more: Json = {}): Json => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    stringData,
    ...more,
  }),
  pod: (metadata: Json, spec: Json): Json => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'pod', ...metadata },
    spec: { restartPolicy: 'Never', ...spec },
  }),
}

/** A container that runs a script. */
export function container(name: string, script: string, more: Json = {}): Json {
  return { name, image: 'busybox', command: ['sh', '-c', script], ...more }
}

/** The mode listing and the content of a file, as the e2e tests print them. */
export const modeAndContent = (file: string): string =>
  `stat -L -c %A $V/${file}; cat $V/${file}`

/** `absent` when the file cannot be opened. */
export const contentOrAbsent = (file: string): string =>
  `cat $V/${file} 2>/dev/null || printf absent`

/** Runs the Pod to its end; each look is a test of its own. */
export async function lookFromPod(
  t: Test,
  pod: LookingPod,
): Promise<RunningPodfs> {
  const dir = t.testdir()
  const write = writer(dir)
  const { looks, objects = [], metadata = {}, change } = pod
  const spec = podSpec(pod)
  await write('objects.json', list(objects))
  await write('pod.json', object.pod(metadata, spec))
  const run = startPodfs(t, ['run', '-f', dir])

  for (const [i, { expect, ...look }] of looks.entries()) {
    const [, output = ''] = await run.saw(
      new RegExp(`^\\S+ +\\| ${i} ([A-Za-z0-9+/=]*)$`, 'm'),
    )
    const text = Buffer.from(output, 'base64').toString('utf8')
    await t.test(titleOf(look), async t => {
      if (typeof expect === 'string') t.equal(text, expect)
      else t.match(text, expect)
      look.onSeen?.(text)
    })
  }
  if (change !== undefined) {
    await write('objects.json', list(changed(objects, change)))
    if (change.metadata)
      await write('pod.json', object.pod(change.metadata, spec))
  }
  for (const [i, { after, ...look }] of looks.entries())
    if (after !== undefined)
      await t.test(`${titleOf(look)}: after the change`, async () => {
        await run.saw(new RegExp(`^\\S+ +\\| ${i} after$`, 'm'))
      })
  const { code, stderr } = await run.ended
  t.equal(code, 0, stderr)
  return run
}

function titleOf({ ids, what }: Pick<Look, 'ids' | 'what'>): string {
  return ids === undefined ? what : `${ids}: ${what}`
}

function changed(
  objects: readonly Json[],
  { objects: news = [], remove = [] }: NonNullable<LookingPod['change']>,
): Json[] {
  const keyOf = ({ kind, metadata }: Json): string =>
    JSON.stringify([kind, metadata])
  const replaced = new Set(news.map(keyOf))
  return [
    ...objects.filter(
      old =>
        !replaced.has(keyOf(old)) &&
        !remove.includes((old['metadata'] as { name: string }).name),
    ),
    ...news,
  ]
}

/** Writes JSON, which is YAML, as an editor that saves by renaming. */
export function writer(
  directory: string,
): (name: string, value: Json) => Promise<void> {
  return async (name, value) => {
    const file = path.join(directory, name)
    await writeFile(`${file}.tmp`, JSON.stringify(value, null, 1))
    await rename(`${file}.tmp`, file)
  }
}

export function list(items: readonly Json[]): Json {
  return { apiVersion: 'v1', kind: 'List', items }
}

function podSpec(pod: LookingPod): Json {
  const { looks, spec, mounts = [], containers = [] } = pod
  const users = [...new Set(looks.map(({ as }) => as))]
  return {
    ...spec,
    containers: [
      ...users.map(user => lookingContainer(user, looks, mounts)),
      ...containers,
    ],
    volumes: [
      ...looks.flatMap(({ volumes = [] }, i) =>
        volumes.map((source, nth) => ({ name: `v${i}-${nth}`, ...source })),
      ),
      ...((spec?.['volumes'] as readonly Json[] | undefined) ?? []),
    ],
  }
}

function lookingContainer(
  user: number | undefined,
  looks: readonly Look[],
  mounts: readonly Json[],
): Json {
  const own = [...looks.entries()].filter(([, { as }]) => as === user)
  const place = (i: number, nth: number): string => `/looks/${i}-${nth}`
  const script = [
    ...own.flatMap(([i, { see }]) => [
      // A function: the look may be taken again.
      `look_${i}() { V=${place(i, 0)} W=${place(i, 1)}; { ${see}; } 2>&1; }`,
      `echo "${i} $(look_${i} | base64 | tr -d '\\n')"`,
    ]),
    ...own.flatMap(([i, { after }]) =>
      after === undefined
        ? []
        : [
            `until [ "$(look_${i})" = '${after}' ]; do sleep 0.05; done`,
            `echo '${i} after'`,
          ],
    ),
  ].join('\n')
  return container(user === undefined ? 'root' : `as-${user}`, script, {
    ...(user !== undefined && { securityContext: { runAsUser: user } }),
    volumeMounts: [
      ...mounts,
      ...own.flatMap(([i, { volumes = [], mount }]) =>
        volumes.map((_, nth) => ({
          name: `v${i}-${nth}`,
          mountPath: place(i, nth),
          ...(nth === 0 && mount),
        })),
      ),
    ],
  })
}
