import path from 'node:path'
import type { ApiClient } from '../../client/api-client.ts'
import { placesOf } from '../../session/places.ts'
import { realPath } from '../../linux/real-path.ts'
import type { Context } from '../context.ts'
import { commonOptions, type Options, type ParsedOptions } from '../options.ts'

/** Flags of every command that looks into a running podfs. */
export const lookOptions = {
  namespace: {
    short: 'n',
    value: 'NAMESPACE',
    help: "the namespace to look into (default 'default')",
  },
  session: {
    value: 'ID',
    help: 'only this podfs: its id, its pid or its mount point',
  },
  help: commonOptions.help,
} as const satisfies Options

/** Flags of those among them that list. */
export const listOptions = {
  ...lookOptions,
  'all-namespaces': { short: 'A', help: 'of all namespaces' },
  selector: {
    short: 'l',
    value: 'SELECTOR',
    help: 'only objects with these labels, such as app=web,tier!=front',
  },
} as const satisfies Options

/** The podfs that run, or the one that --session names. Throws a Failure. */
export async function sessionsFor(
  context: Context,
  options: ParsedOptions,
): Promise<readonly ApiClient[]> {
  const { findSessions } = await import('../../client/api-client.ts')
  const named = options.value('session')
  return await findSessions({
    runtime: placesOf(context.env, context.uid).runtime,
    named,
    mountpoint:
      named === undefined
        ? undefined
        : realPath(path.resolve(context.cwd, named)),
    clock: context.clock,
  })
}

export function namespaceOf(options: ParsedOptions): string {
  return options.value('namespace') ?? 'default'
}

/** kubectl's words for what the API refused. */
export function serverError(error: {
  readonly reason: string
  readonly message: string
}): string {
  return `Error from server (${error.reason}): ${error.message}`
}
