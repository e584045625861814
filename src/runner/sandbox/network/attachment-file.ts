import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import type { Attachment, CniResult } from './cni-call.ts'
import type { PortMapping } from './network-provider.ts'

/**
 * In the scratch directory of a Pod, from before its network is made until it has been freed: all
 * that is needed to free it, by whichever podfs comes.
 */
export const networkFile = 'network.json'

/** What is written down of a Pod's network. */
export type WrittenAttachment = WrittenCni | WrittenPasta

interface Written {
  /** Of this sandbox alone. */
  readonly containerID: string
  readonly portMappings: readonly PortMapping[]
  /** The network namespace of the machine that it leads to. */
  readonly machine: number
  /** `NAMESPACE/NAME`. */
  readonly pod: string
}

/** By pasta, which ends with podfs. */
export interface WrittenPasta extends Written {
  /** Of its address in the machine's namespace, and of no other one. */
  readonly label: string
}

/** By CNI plugins. */
export interface WrittenCni extends Attachment, Written {
  readonly binDirs: readonly string[]
  /** Of podfs's own network: where that is written down. */
  readonly directory?: string
  /** Absent: nobody knows how far it came. */
  readonly result?: CniResult
}

/** The network namespace that this process is in. */
export function ownNamespace(): number {
  return statSync('/proc/self/ns/net').ino
}

export function writeAttachment(
  file: string,
  attachment: WrittenAttachment,
): void {
  mkdirSync(path.dirname(file), { recursive: true })
  // By rename: whoever reads it sees all of it or the one before.
  writeFileSync(`${file}.new`, JSON.stringify(attachment), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** Undefined: there is none. */
export function readAttachment(file: string): WrittenAttachment | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as WrittenAttachment
  } catch {
    return undefined
  }
}

export function forgetAttachment(file: string): void {
  rmSync(file, { force: true })
}
