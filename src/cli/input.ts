import type { SessionOptions } from '../session/session.ts'
import { Failure } from '../util/failure.ts'
import { shellWord } from '../util/shell-word.ts'
import { refuseEmpty, type ParsedOptions } from './options.ts'

/** What a command reads objects from. */
export interface Input {
  /** Manifest files and directories, `-` for standard input. */
  readonly paths: readonly string[]
  readonly renderings: SessionOptions['renderings']
}

/**
 * What the flags of `sourceOptions` name; `further` are paths behind the first of a -f, where
 * a shell has expanded `-f *.yaml`. Throws a usage Failure.
 */
export function inputOf(
  options: ParsedOptions,
  further: readonly string[],
  command: string,
): Input {
  refuseEmpty(further, 'PATH')
  const files = options.values('filename')
  const charts = options.values('helm')
  const values = options.values('values')
  const [stray] = further
  if (files.length === 0 && stray !== undefined)
    throw new Failure('usage', `what is ${stray}?`, {
      fix: `podfs ${command} -f ${shellWord(stray)}`,
    })
  if (values.length > 0 && charts.length !== 1)
    throw new Failure(
      'usage',
      charts.length === 0
        ? '--values goes with --helm CHART'
        : '--values goes with one --helm CHART: several have theirs in podfs.yaml, at sources.charts',
    )
  if ([...charts, ...values, ...options.values('kustomize')].includes('-'))
    throw new Failure(
      'usage',
      'standard input cannot be rendered: -k, --helm and --values take files',
    )
  return {
    paths: [...files, ...further],
    renderings: [
      ...options
        .values('kustomize')
        .map(directory => ({ kind: 'kustomize', directory }) as const),
      ...charts.map(chart => ({ kind: 'helm', chart, values }) as const),
    ],
  }
}

/** Nothing is named. */
export function isEmptyInput({ paths, renderings }: Input): boolean {
  return paths.length === 0 && renderings.length === 0
}

/** The flags that name it again, with a blank before each; '' where they cannot: `-f -`. */
export function flagsOf({ paths, renderings }: Input): string {
  if (paths.includes('-')) return ''
  return [
    ...(paths.length === 0 ? [] : ['-f', ...paths]),
    ...renderings.flatMap(rendering =>
      rendering.kind === 'kustomize'
        ? ['-k', rendering.directory]
        : [
            '--helm',
            rendering.chart,
            ...rendering.values.flatMap(file => ['--values', file]),
          ],
    ),
  ]
    .map(word => ` ${shellWord(word)}`)
    .join('')
}
