import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { newLabel, removeAddressesOf } from '../linux/lo-addresses.ts'
import { ownNamespace } from '../runner/sandbox/network/attachment-file.ts'

/** The addresses that a session's Services have on this machine's lo. */
export interface ServiceLabel {
  readonly label: string
  /** `10.241.0.0/16`: where they are from. */
  readonly subnet: string
  /** The network namespace of the machine that they are in. */
  readonly machine: number
}

function labelFile(session: string): string {
  return path.join(session, 'service-addresses.json')
}

/** Of a session; the same for the podfs that goes on with it. `choose` gives its subnet. */
export function serviceLabel(
  session: string,
  choose: () => string,
): ServiceLabel {
  const known = readLabel(session)
  if (known !== undefined) return known
  const made = { label: newLabel(), subnet: choose(), machine: ownNamespace() }
  const file = labelFile(session)
  // By rename: whoever reads it sees all of it.
  writeFileSync(`${file}.new`, JSON.stringify(made), { mode: 0o600 })
  renameSync(`${file}.new`, file)
  return made
}

/** Takes away what the Services of a session have left whose podfs, and its proxy, was killed. */
export async function freeServiceAddresses(session: string): Promise<void> {
  const known = readLabel(session)
  if (known === undefined) return
  // Of another network namespace they are no business of ours, and end with it.
  if (known.machine === ownNamespace()) await removeAddressesOf(known.label)
  rmSync(labelFile(session), { force: true })
}

function readLabel(session: string): ServiceLabel | undefined {
  try {
    return JSON.parse(readFileSync(labelFile(session), 'utf8')) as ServiceLabel
  } catch {
    return undefined
  }
}
