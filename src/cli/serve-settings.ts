import { strayVariables } from '../config/environment.ts'
import type { EffectiveSettings } from '../config/layers.ts'
import { runChoices, type SettingName } from '../config/settings.ts'
import type { ServeSetting } from '../commands/serve-session.ts'
import { accessOf } from '../session/access.ts'
import type { SessionSetting } from '../session/session.ts'
import { Failure } from '../util/failure.ts'
import type { NoneLeft } from '../util/none-left.ts'
import type { Context } from './context.ts'
import {
  backendOption,
  commonOptions,
  networkOption,
  sourceOptions,
  type Options,
  type ParsedOptions,
} from './options.ts'
import { effectiveSettings, type SharedSetting } from './session-options.ts'
import { inputOf } from './input.ts'

/** The flags of `podfs serve`; those that are settings are looked at with `podfs config view`. */
export const serveOptions = {
  ...sourceOptions,
  filename: {
    ...sourceOptions.filename,
    help: 'a manifest file, or a directory of them',
  },
  root: { value: 'DIR', isPath: true, help: 'where the mount is' },
  access: {
    value: 'WHO',
    help: 'who may enter: owner, group:NAME or everybody',
  },
  run: {
    value: 'WHICH',
    choices: runChoices,
    help: 'which Pods to run: none, annotated or all',
  },
  ...networkOption,
  ...backendOption,
  ...commonOptions,
} as const satisfies Options

/** A setting for which nobody asks does not compile: it would be accepted, and do nothing. */
export type EverySettingIsAskedFor = NoneLeft<
  Exclude<SettingName, SharedSetting | SessionSetting | ServeSetting>
>

/** What counts for `podfs serve`; `further` are paths behind the first of a -f. */
export async function serveSettings(
  context: Context,
  options: ParsedOptions,
  further: readonly string[],
): Promise<EffectiveSettings> {
  const { paths, renderings } = inputOf(options, further, 'serve')
  if (paths.includes('-'))
    throw new Failure('usage', 'serve reads files: standard input ends', {
      fix: 'podfs run -f -',
    })
  const namespace = options.value('namespace')
  const kustomizations = options.values('kustomize')
  const charts = renderings.flatMap(each =>
    each.kind === 'helm' ? [{ chart: each.chart, values: each.values }] : [],
  )
  const effective = await effectiveSettings(context, options, [
    ...(paths.length === 0
      ? []
      : [{ setting: 'sources.manifests', flag: '-f', word: paths }]),
    ...(kustomizations.length === 0
      ? []
      : [
          {
            setting: 'sources.kustomizations',
            flag: '-k',
            word: kustomizations,
          },
        ]),
    ...(charts.length === 0
      ? []
      : [{ setting: 'sources.charts', flag: '--helm', word: charts }]),
    ...(namespace === undefined
      ? []
      : [{ setting: 'sources.namespace', flag: '-n', word: namespace }]),
  ])
  checkAccess(effective)
  return effective
}

/** A mistyped variable changes nothing, and is not to do so in silence. */
export function warnOfStrayVariables({ env, stderr }: Context): void {
  for (const stray of strayVariables(env)) stderr.line(`warning: ${stray}`)
}

/** Throws a usage Failure with the place of `access` when this machine has no such group. */
function checkAccess({ settings, given }: EffectiveSettings): void {
  const { position: at, origin } =
    given.find(({ path }) => path.join('.') === 'access') ?? {}
  accessOf(
    settings.access,
    at === undefined
      ? `${origin} ${settings.access}`
      : `${at.path}:${at.line}:${at.column}: access`,
  )
}
