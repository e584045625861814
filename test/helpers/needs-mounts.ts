/*
 * Imported by a test file of which nothing works where nothing can be mounted: there all of it
 * is skipped, with the reason.
 */
import t from 'tap'
import { cannotStart } from './capability.ts'

const reason = cannotStart()
if (reason !== false) {
  t.plan(0, reason)
  // What follows the import would run its tests all the same.
  // oxlint-disable-next-line unicorn/no-process-exit
  process.exit(0)
}
