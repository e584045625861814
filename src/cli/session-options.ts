import { ageIdentities } from '../daemon/age-identities.ts'
import { guardMemory } from '../daemon/guard-memory.ts'
import { placesOf } from '../daemon/places.ts'
import type { SessionOptions } from '../daemon/session.ts'
import { ConfigError } from '../config/errors.ts'
import type { EffectiveSettings } from '../config/layers.ts'
import { loadSettings, type SettingFlag } from '../config/load.ts'
import type { Settings } from '../config/settings.ts'
import { Failure } from '../util/failure.ts'
import { createLogger } from '../util/logger.ts'
import type { Context } from './context.ts'
import { fileError } from './create/file-error.ts'
import type { ParsedOptions } from './options.ts'
import { reportTo } from './report.ts'

/** Configuration, logger and the flags that all commands share, for the daemon. */
export async function sessionOptions(
  context: Context,
  options: ParsedOptions,
  paths: readonly string[],
): Promise<SessionOptions> {
  const { settings } = await effectiveSettings(context, options)
  return {
    ...(await sharedOptions(context, settings)),
    settings,
    paths,
    namespace: options.value('namespace') ?? 'default',
  }
}

/** What does not hang on the command. */
export async function sharedOptions(
  context: Context,
  settings: Pick<Settings, 'logLevel' | 'ageKeyFile'>,
): Promise<
  Pick<
    SessionOptions,
    'places' | 'clock' | 'logger' | 'report' | 'onMended' | 'identities'
  >
> {
  guardMemory(context.env)
  return {
    places: placesOf(context.env, context.uid),
    clock: context.clock,
    logger: await createLogger({
      level: settings.logLevel,
      terminal: context.stderrIsTerminal,
      colour: context.colour,
      fd: context.logFd,
    }),
    report: reportTo(context),
    onMended: path =>
      void context.stderr.write(`podfs: ${path}: no mistakes any more\n`),
    identities: ageIdentities(settings, context.env, context.cwd),
  }
}

/** The flags that are settings, too. */
const settingFlags = {
  'log-level': 'logLevel',
  backend: 'backend',
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
    return await loadSettings({
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
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const message =
      error instanceof ConfigError
        ? error.message.replaceAll('\n', '\nerror: ')
        : `cannot read the configuration: ${reasonOf(error)}`
    throw new Failure('usage', message, { cause: error })
  }
}

function reasonOf(error: NodeJS.ErrnoException): string {
  const where = error.path === undefined ? '' : `${error.path}: `
  return `${where}${fileError(error)}`
}

/** What this version needs root for, it says before anything has been touched. */
export function requireRoot(context: Context, command: string): void {
  if (context.uid !== 0)
    throw new Failure('platform', `podfs ${command} needs root for now`, {
      fix: `sudo podfs ${command} ...`,
    })
}
