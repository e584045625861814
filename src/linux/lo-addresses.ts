import { randomBytes } from 'node:crypto'
import { runCommand } from './run-command.ts'

/*
 * IPv4 addresses that are this machine's own without a network of theirs: single ones on lo. All
 * that one owner has there have its label, by which they are found again (ip-address(8), "label").
 */

/** Of an owner's addresses on lo. Fifteen letters at most, of which `lo:` must come first. */
export function newLabel(): string {
  return `lo:${randomBytes(6).toString('hex')}`
}

/**
 * Adds and removes addresses. Resolves with what ip(8) says of those that it could not; undefined:
 * all is as it should be.
 */
export async function changeAddresses(
  label: string,
  changes: {
    readonly add: readonly string[]
    readonly remove: readonly string[]
  },
): Promise<string | undefined> {
  const lines = [
    ...changes.add.map(ip => `address add ${ip}/32 dev lo label ${label}\n`),
    ...changes.remove.map(ip => `address del ${ip}/32 dev lo\n`),
  ]
  if (lines.length === 0) return undefined
  const args = ['-force', '-batch', '-']
  const { ok, stderr } = await runCommand('ip', args, lines.join(''))
  return ok ? undefined : stderr.trim()
}

/** Nothing happens when there are none. */
export async function removeAddressesOf(label: string): Promise<void> {
  await runCommand('ip', ['address', 'flush', 'dev', 'lo', 'label', label])
}
