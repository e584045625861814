import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import path from 'node:path'
import {
  identityOf,
  isRunning,
  type ProcessIdentity,
} from '../linux/process-identity.ts'

/*
 * RUNTIME/gateway-COMMAND-PID-X/ is of the gateway that the process PID has started, and goes with
 * it:
 *
 *   gateway.json   which process it is
 *   gateway.sock   where it listens
 *   namespace      a link to the network namespace that it holds
 *   resolv.conf, machine-resolv.conf
 *   network/       podfs's own network of Pods
 *   *.sock         of Pods whose ports it has opened
 */

type Command = 'run' | 'serve'

export function makeGatewayDirectory(
  runtime: string,
  command: Command,
): string {
  sweepGateways(runtime)
  return mkdtempSync(path.join(runtime, `gateway-${command}-${process.pid}-`))
}

/** Which process it is. */
export function gatewayFile(directory: string): string {
  return path.join(directory, 'gateway.json')
}

export function gatewayNamespace(directory: string): string {
  return path.join(directory, 'namespace')
}

/**
 * That of a `podfs serve`, of which the next one goes on with the Pods; undefined: there is none, or
 * it is in a user namespace that cannot be entered from here.
 */
export function leftGateway(runtime: string): string | undefined {
  return directoriesIn(runtime).find(
    ({ directory, command }) =>
      command === 'serve' && isLeft(directory, gatewayOf(directory)),
  )?.directory
}

function isLeft(
  directory: string,
  gateway: ProcessIdentity | undefined,
): boolean {
  if (gateway === undefined || !existsSync(gatewayNamespace(directory)))
    return false
  const userNamespace = (pid: number | 'self'): number | undefined =>
    statSync(`/proc/${pid}/ns/user`, { throwIfNoEntry: false })?.ino
  return userNamespace(gateway.pid) === userNamespace('self')
}

/** Removes what those have left that were killed. */
export function sweepGateways(runtime: string): void {
  for (const { directory, starter } of directoriesIn(runtime))
    if (gatewayOf(directory) === undefined && identityOf(starter) === undefined)
      rmSync(directory, { recursive: true, force: true })
}

function directoriesIn(runtime: string): readonly {
  readonly directory: string
  readonly command: string
  readonly starter: number
}[] {
  return readdirSync(runtime).flatMap(name => {
    const [, command = '', pid] = /^gateway-(run|serve)-(\d+)-/.exec(name) ?? []
    const directory = path.join(runtime, name)
    return pid === undefined
      ? []
      : [{ directory, command, starter: Number(pid) }]
  })
}

/** The process, if it lives. */
function gatewayOf(directory: string): ProcessIdentity | undefined {
  try {
    const text = readFileSync(gatewayFile(directory), 'utf8')
    const identity = JSON.parse(text) as ProcessIdentity
    return isRunning(identity) ? identity : undefined
  } catch {
    return undefined
  }
}
