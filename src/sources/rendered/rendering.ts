import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { shellWord } from '../../util/shell-word.ts'
import { isAbsence, SourceError, unreadable } from '../errors.ts'

/** What a program makes manifests of. */
export type Rendering =
  | {
      readonly kind: 'kustomize'
      /** One that has a kustomization.yaml, or the URL of one. */
      readonly directory: string
    }
  | {
      readonly kind: 'helm'
      /** A directory, a package (.tgz), or what else `helm template` takes. */
      readonly chart: string
      /** Values files or their URLs; of one value in several the last counts. */
      readonly values: readonly string[]
    }

/** A program and its arguments; nothing of what is rendered is among them. */
export interface RendererCommand {
  readonly program: string
  readonly args: readonly string[]
}

/** What has become of a RendererCommand. */
export type RendererOutcome =
  | {
      readonly kind: 'rendered'
      readonly output: Buffer
      /** What it has said beside that. */
      readonly words: string
    }
  /** There is no such program. */
  | { readonly kind: 'missing' }
  | { readonly kind: 'failed'; readonly words: string }

/** Runs it to its end, which comes in a bounded time; it never rejects. */
export type RunRenderer = (
  command: RendererCommand,
  abort: AbortSignal,
) => Promise<RendererOutcome>

/** What the person has named. */
export function rootOf(rendering: Rendering): string {
  return rendering.kind === 'kustomize' ? rendering.directory : rendering.chart
}

/** The place of what is wrong with its output: there is no file whose lines they are. */
export function outputName(rendering: Rendering): string {
  return `rendering of ${rootOf(rendering)}`
}

/** Equal for equal ones. */
export function keyOfRendering(rendering: Rendering): string {
  return JSON.stringify(
    rendering.kind === 'kustomize'
      ? ['kustomize', rendering.directory]
      : ['helm', rendering.chart, ...rendering.values],
  )
}

/** The first of these that is installed builds a kustomization. */
export function kustomizeCommands(
  directory: string,
): readonly RendererCommand[] {
  return [
    { program: 'kubectl', args: ['kustomize', '--', directory] },
    { program: 'kustomize', args: ['build', '--', directory] },
  ]
}

/**
 * Renders a chart as `helm install` would install it under this name, without asking a cluster.
 * The namespace is always said: Helm's own default is that of the kubeconfig's context.
 */
export function helmCommand(
  { chart, values }: Extract<Rendering, { kind: 'helm' }>,
  release: string,
  namespace: string,
): RendererCommand {
  return {
    program: 'helm',
    args: [
      'template',
      `--namespace=${namespace}`,
      ...values.map(file => `--values=${file}`),
      '--',
      release,
      chart,
    ],
  }
}

/** Prints the Chart.yaml of a chart that is no directory. */
export function showChartCommand(chart: string): RendererCommand {
  return { program: 'helm', args: ['show', 'chart', '--', chart] }
}

/** None of the programs that could do it is there. */
export function lacksRenderer(rendering: Rendering): SourceError {
  const [reason, fix] =
    rendering.kind === 'kustomize'
      ? [
          'neither kubectl nor kustomize is installed, and one of them has to render it',
          'apt-get install kubernetes-client (or see https://kubernetes.io/docs/tasks/tools/)',
        ]
      : [
          'helm is not installed, and has to render it',
          'see https://helm.sh/docs/intro/install/',
        ]
  return new SourceError('SOURCE_LACKS_RENDERER', rootOf(rendering), reason, {
    fix,
  })
}

/** As kustomize and Helm know what they have to fetch (kustomize api/internal/git/repospec.go). */
const remote =
  /^[a-z][a-z\d+.-]*:\/\/|^git::|^[\w.-]+@[\w.-]+:|^(www\.)?github\.com[/:]|^gh:|\.git(?=\/|\?|$)|[?&](ref|version)=/i

/** It looks like something that is elsewhere; what is here goes first. */
export function isRemote(name: string): boolean {
  return remote.test(name)
}

/** Why what the person has named cannot be rendered; what the programs say of it means little. */
export async function problemOf(
  rendering: Rendering,
): Promise<SourceError | undefined> {
  if (rendering.kind === 'kustomize') {
    const { directory } = rendering
    const found = await lookAt(directory)
    if (found instanceof SourceError) return found
    if (found === 'file')
      return new SourceError(
        'SOURCE_UNREADABLE',
        directory,
        'is a file: -k takes the directory of a kustomization',
        { fix: `-k ${shellWord(dirname(directory))}` },
      )
    return undefined
  }
  const { chart, values } = rendering
  // REPOSITORY/CHART, of a repository that helm knows.
  const isOfRepository = /^[\w-][\w.-]*\/[\w.-]+$/.test(chart)
  for (const path of [chart, ...values]) {
    const found = await lookAt(path)
    if (!(found instanceof SourceError)) continue
    if (path !== chart || !isOfRepository || !isAbsence(found.cause))
      return found
  }
  return undefined
}

async function lookAt(
  path: string,
): Promise<'file' | 'directory' | 'remote' | SourceError> {
  try {
    return (await stat(path)).isDirectory() ? 'directory' : 'file'
  } catch (error) {
    return isRemote(path) && isAbsence(error)
      ? 'remote'
      : unreadable(path, error)
  }
}
