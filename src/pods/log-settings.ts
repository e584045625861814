import path from 'node:path'
import { parseQuantity, quantityValue } from '../api/quantity.ts'
import type { SettingsFor } from '../config/settings.ts'
import type { Places } from '../session/places.ts'
import type { ClaimedDirectory } from './empty-dirs.ts'
import { type LogFileSettings, removeDeadLogs } from './log-writer.ts'

type LogSetting = 'containerLogMaxFiles' | 'containerLogMaxSize' | 'logStorage'

/**
 * How logs are kept in files; undefined: in memory. Takes away what killed sessions have left of
 * them, as emptyDirs are.
 */
export function logFileSettings(
  settings: SettingsFor<LogSetting>,
  { state }: Pick<Places, 'state'>,
  emptyDirs: ClaimedDirectory,
): LogFileSettings | undefined {
  removeDeadLogs(state, name => emptyDirs.isDead(name))
  if (settings.logStorage !== 'files') return undefined
  const size = parseQuantity(settings.containerLogMaxSize) ?? 0n
  return {
    root: state,
    maxBytes: Number(quantityValue(size)),
    maxFiles: Math.floor(settings.containerLogMaxFiles),
    owner: path.basename(emptyDirs.directory),
  }
}
