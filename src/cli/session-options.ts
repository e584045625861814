import { ageIdentities } from '../session/age-identities.ts'
import { guardMemory } from '../session/guard-memory.ts'
import { placesOf } from '../session/places.ts'
import type { SessionOptions } from '../session/session.ts'
import { ConfigError } from '../config/errors.ts'
import { layOver, type EffectiveSettings } from '../config/layers.ts'
import { loadSettings, type SettingFlag } from '../config/load.ts'
import type { SettingsFor } from '../config/settings.ts'
import { Failure } from '../util/failure.ts'
import { createLogger } from '../util/logger.ts'
import type { Context } from './context.ts'
import type { Input } from './input.ts'
import { fileError } from './create/file-error.ts'
import type { ParsedOptions } from './options.ts'
import { Report } from './report.ts'

interface Started {
  /** Tells what was only counted during the start. */
  readonly started: (input: Input) => void
}

/** Configuration, logger and the flags that all commands share, for the daemon. */
export async function sessionOptions(
  context: Context,
  options: ParsedOptions,
  input: Input,
): Promise<SessionOptions & Started> {
  const { settings } = await effectiveSettings(context, options)
  const shared = sharedOptions(context, options, settings)
  return {
    settings,
    places: shared.places,
    clock: shared.clock,
    logger: shared.logger,
    report: shared.report,
    started: shared.started,
    onMended: shared.onMended,
    identities: shared.identities,
    paths: input.paths,
    renderings: input.renderings,
    namespace: options.value('namespace') ?? 'default',
  }
}

/** The settings that matter before there is a session. */
export type SharedSetting = 'ageKeyFile' | 'logLevel'

/** What does not hang on the command. */
export function sharedOptions(
  context: Context,
  options: ParsedOptions,
  settings: SettingsFor<SharedSetting>,
): Pick<
  SessionOptions,
  'places' | 'clock' | 'logger' | 'report' | 'onMended' | 'identities'
> &
  Started {
  guardMemory(context.env)
  const report = new Report(context, {
    level: settings.logLevel,
    verbose: options.flag('verbose'),
  })
  return {
    places: placesOf(context.env, context.uid),
    clock: context.clock,
    logger: createLogger({
      level: settings.logLevel,
      colour: context.colour,
      fd: context.logFd,
    }),
    report: finding => report.tell(finding),
    started: input => report.started(input),
    onMended: path =>
      context.stderr.line(`podfs: ${path}: no mistakes any more`),
    identities: ageIdentities(settings, context.env, context.cwd),
  }
}

/** The flags that are settings, too. */
const settingFlags = {
  'log-level': 'logLevel',
  backend: 'backend',
  network: 'network',
  root: 'root',
  access: 'access',
  run: 'run',
} as const

/** Defaults, podfs.yaml, PODFS_* variables and flags. Throws a usage Failure. */
export async function effectiveSettings(
  context: Context,
  options: ParsedOptions,
  further: readonly SettingFlag[] = [],
): Promise<EffectiveSettings> {
  try {
    const effective = await loadSettings({
      explicit: options.value('config'),
      env: context.env,
      cwd: context.cwd,
      uid: context.uid,
      flags: [
        ...Object.entries(settingFlags).flatMap(([name, setting]) => {
          const word = options.value(name)
          return word === undefined
            ? []
            : [{ setting, flag: `--${name}`, word }]
        }),
        ...further,
      ],
    })
    return context.uid === 0 ? effective : withOwnRoot(effective, context)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if (!(error instanceof ConfigError))
      throw new Failure(
        'usage',
        `cannot read the configuration: ${reasonOf(error)}`,
        { cause: error },
      )
    const [first = '', ...further] = error.lines
    throw new Failure('usage', first, { cause: error, further })
  }
}

/** /srv is root's. */
function withOwnRoot(
  { given }: EffectiveSettings,
  { env, uid }: Context,
): EffectiveSettings {
  const value = `${placesOf(env, uid).runtime}-root`
  return layOver(
    given.map(setting =>
      setting.path.join('.') === 'root' && setting.origin === 'default'
        ? { ...setting, value }
        : setting,
    ),
  )
}

function reasonOf(error: NodeJS.ErrnoException): string {
  const where = error.path === undefined ? '' : `${error.path}: `
  return `${where}${fileError(error)}`
}
