import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import {
  eventually,
  startPodfs,
  type PodfsOptions,
  type RunningPodfs,
} from './podfs.ts'

/*
 * Manifests and a podfs.yaml, for tests of `podfs serve`.
 */

export const configMap = (
  name: string,
  data: string,
  namespace = 'default',
) => `---
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}, namespace: ${namespace}}
data: ${data}
`

export const secret = (
  name: string,
  data: string,
  namespace = 'default',
) => `---
apiVersion: v1
kind: Secret
metadata: {name: ${name}, namespace: ${namespace}}
stringData: ${data}
`

export function pod(
  name: string,
  volumes: string,
  options: {
    readonly run?: string
    readonly command?: string
    readonly mounts?: string
    readonly more?: string
    /** Of its container. */
    readonly probes?: string
  } = {},
): string {
  const {
    run,
    command = 'sleep 1000',
    mounts = '',
    more = '',
    probes = '',
  } = options
  return `---
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  annotations: {${run === undefined ? '' : `podfs.io/run: "${run}"`}}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  ${more}
  containers:
  - name: c
    image: debian
    command: [sh, -c, ${JSON.stringify(command)}]
    volumeMounts: [${mounts}]
    ${probes}
  volumes: [${volumes}]
`
}

/** A directory with manifests, and a podfs.yaml that names it. */
export function world(
  t: Test,
  manifests: Readonly<Record<string, string>> = {},
) {
  const dir = t.testdir({ manifests })
  const root = path.join(dir, 'root')
  const file = (name: string): string => path.join(dir, 'manifests', name)
  const config = path.join(dir, 'podfs.yaml')
  const configure = (more = '', sources = ''): void =>
    writeFileSync(
      config,
      `root: ${root}\n${more}\nsources:\n  manifests: [manifests]\n${sources}`,
    )
  configure()
  const at = (relative: string): string => path.join(root, relative)
  return {
    dir,
    root,
    at,
    configure,
    start: async (options?: PodfsOptions): Promise<RunningPodfs> => {
      const serving = startPodfs(t, ['serve', '--config', config], options)
      await serving.saw(/ready/)
      return serving
    },
    write: (name: string, text: string): void =>
      writeFileSync(file(name), text),
    remove: (name: string): void => rmSync(file(name)),
    text: (relative: string): string | undefined => textOf(at(relative)),
    names: (relative = ''): string[] => readdirSync(at(relative)).sort(),
  }
}

export function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/** The mounts of a session, by run-time directory: an ordinary user's tree is another one than the Pods'. */
export function mountsOf(session: string): {
  readonly mount: string
  readonly tree: string
} {
  const { mountDirectory = session, treeDirectory = mountDirectory } =
    JSON.parse(readFileSync(path.join(session, 'session.json'), 'utf8')) as {
      mountDirectory?: string
      treeDirectory?: string
    }
  return { mount: mountDirectory, tree: treeDirectory }
}

/** Keeper, server and standby of each mount of a session, when all of them are there. */
export async function holdersOf(session: string): Promise<number[]> {
  const { mount, tree } = mountsOf(session)
  const all = [...new Set([mount, tree])].map(directory =>
    eventually(() => {
      const keeper = Number(textOf(path.join(directory, 'keeper.pid')))
      const text = textOf(`/proc/${keeper}/task/${keeper}/children`) ?? ''
      const children = text.trim().split(' ').filter(Boolean).map(Number)
      return children.length === 2 && [keeper, ...children]
    }),
  )
  return (await Promise.all(all)).flat()
}

/** None of them may do something about the end of another one. */
export function killAtOnce(pids: readonly number[]): void {
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const)
    for (const pid of pids) process.kill(pid, signal)
}

export async function end(t: Test, serving: RunningPodfs): Promise<void> {
  serving.child.kill('SIGTERM')
  t.equal((await serving.ended).code, 0)
}
