import { join } from 'node:path'
import type { SourceError } from '../errors.ts'
import { kindOf, readText, rootsOf } from './read-yaml.ts'
import {
  helmCommand,
  kustomizeCommands,
  lacksRenderer,
  problemOf,
  showChartCommand,
  type RendererCommand,
  type Rendering,
  type RunRenderer,
} from './rendering.ts'

export type RenderResult =
  | {
      readonly kind: 'rendered'
      readonly output: Buffer
      readonly by: string
      readonly words: string
    }
  /** Its program says so. */
  | { readonly kind: 'failed'; readonly by: string; readonly words: string }
  /** It cannot even be tried. */
  | { readonly kind: 'impossible'; readonly error: SourceError }

/** Has a program make manifests. `namespace` is the one of the release of a chart. */
export async function render(
  rendering: Rendering,
  namespace: string,
  run: RunRenderer,
  abort: AbortSignal,
): Promise<RenderResult> {
  const problem = await problemOf(rendering)
  if (problem !== undefined) return { kind: 'impossible', error: problem }
  const first = async (
    commands: readonly RendererCommand[],
  ): Promise<RenderResult> => {
    for (const command of commands) {
      const outcome = await run(command, abort)
      if (outcome.kind === 'missing') continue
      const { program, args } = command
      return { ...outcome, by: `${program} ${args[0]}` }
    }
    return { kind: 'impossible', error: lacksRenderer(rendering) }
  }
  if (rendering.kind === 'kustomize')
    return await first(kustomizeCommands(rendering.directory))
  const { chart } = rendering
  const isDirectory = (await kindOf(chart)) === 'directory'
  const shown = isDirectory ? undefined : await first([showChartCommand(chart)])
  if (shown !== undefined && shown.kind !== 'rendered') return shown
  const text =
    shown?.output.toString() ?? (await readText(join(chart, 'Chart.yaml')))
  // Without a name Helm says what is wrong with the Chart.yaml.
  const release = nameIn(text) ?? 'podfs'
  return await first([helmCommand(rendering, release, namespace)])
}

/** `name` of a Chart.yaml. */
function nameIn(text: string): string | undefined {
  const [root] = rootsOf(text)
  if (root?.kind !== 'mapping') return undefined
  const value = root.pairs.findLast(
    ({ key }) => key.kind === 'scalar' && key.text === 'name',
  )?.value
  return value?.kind === 'scalar' && value.text !== '' ? value.text : undefined
}
