import { placesOf } from '../daemon/places.ts'
import type { SessionOptions } from '../daemon/session.ts'
import { ConfigError, loadSettings } from '../config/load.ts'
import {
  backendChoices,
  type BackendChoice,
  type Settings,
} from '../config/settings.ts'
import { Failure } from '../util/failure.ts'
import { createLogger, logLevels, type LogLevel } from '../util/logger.ts'
import type { Context } from './context.ts'
import type { ParsedOptions } from './options.ts'
import { reportTo } from './report.ts'

/** Configuration, logger and the flags that all commands share, for the daemon. */
export async function sessionOptions(
  context: Context,
  options: ParsedOptions,
  paths: readonly string[],
): Promise<SessionOptions> {
  const configured = await settingsOf(context, options)
  const settings = {
    ...configured,
    backend: backendChoice(options.value('backend')) ?? configured.backend,
  }
  return {
    settings,
    paths,
    places: placesOf(context.env, context.uid),
    clock: context.clock,
    logger: createLogger({
      level: logLevel(options.value('log-level')) ?? settings.logLevel,
      terminal: context.stderrIsTerminal,
      colour: context.colour,
      fd: context.logFd,
    }),
    report: reportTo(context),
    namespace: options.value('namespace') ?? 'default',
  }
}

async function settingsOf(
  context: Context,
  options: ParsedOptions,
): Promise<Settings> {
  try {
    return await loadSettings({
      explicit: options.value('config'),
      env: context.env,
      cwd: context.cwd,
    })
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const message =
      error instanceof ConfigError
        ? error.message.replaceAll('\n', '\nerror: ')
        : `cannot read the configuration: ${error.message}`
    throw new Failure('usage', message, { cause: error })
  }
}

function logLevel(given: string | undefined): LogLevel | undefined {
  if (given === undefined) return undefined
  const level = logLevels.find(level => level === given)
  if (level === undefined)
    throw new Failure(
      'usage',
      `--log-level ${given}: must be one of ${logLevels.join(', ')}`,
    )
  return level
}

function backendChoice(given: string | undefined): BackendChoice | undefined {
  if (given === undefined) return undefined
  const choice = backendChoices.find(name => name === given)
  if (choice === undefined)
    throw new Failure(
      'usage',
      `--backend ${given}: must be one of ${backendChoices.join(', ')}`,
    )
  return choice
}

/** What this version needs root for, it says before anything has been touched. */
export function requireRoot(context: Context, command: string): void {
  if (context.uid !== 0)
    throw new Failure('platform', `podfs ${command} needs root for now`, {
      fix: `sudo podfs ${command} ...`,
    })
}
