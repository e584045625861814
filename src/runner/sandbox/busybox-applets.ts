import { execFile } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemPath } from '../../linux/machine-tools.ts'

/** In the directory of applets: those that come after all other programs. */
export const lackingApplets = 'lacking'

/** What Kubernetes' own examples use of an applet, and not every busybox has. */
export interface AppletUse {
  readonly applet: string
  /** `nc -z`. */
  readonly use: string
  /** How it looks in a script. */
  readonly pattern: RegExp
  /** Does nothing, and tells whether it is understood. */
  readonly call: readonly string[]
}

export const appletUses: readonly AppletUse[] = [
  {
    applet: 'nc',
    use: 'nc -z',
    pattern: /\bnc\s+(-\S+\s+(\d+\s+)?)*-[a-y]*z/,
    call: ['nc', '-z'],
  },
  {
    applet: 'wget',
    use: 'wget --spider',
    pattern: /\bwget\s.*--spider\b/,
    call: ['wget', '--spider'],
  },
  {
    applet: 'timeout',
    use: 'timeout SECONDS COMMAND',
    pattern: /\btimeout\s+\d/,
    call: ['timeout', '5', 'true'],
  },
]

/** Asked of the program: every distribution, and every version, is built otherwise. */
export async function findLacks(
  busybox: string,
  uses = appletUses,
): Promise<AppletUse[]> {
  const understood = await Promise.all(
    uses.map(async ({ call }) => {
      const output = await outputOf(busybox, call)
      return !/(invalid|unrecognized|unknown) option|can't execute/.test(output)
    }),
  )
  return uses.filter((_, i) => understood[i] === false)
}

async function outputOf(
  busybox: string,
  args: readonly string[],
): Promise<string> {
  const run = promisify(execFile)
  const { stdout, stderr } = await run(busybox, args, {
    env: { PATH: systemPath },
  }).catch((error: { stdout: string; stderr: string }) => error)
  return stdout + stderr
}

/**
 * A directory with a link for each applet of this busybox, below `directory`; in `lacking/`
 * those that lack what people use, which the machine's own programs have. It is made once on a
 * machine, and anew when busybox is another one: four hundred links, and asking for their names,
 * would be a part of each start.
 */
export async function appletsOf(
  busybox: string,
  directory: string,
): Promise<string> {
  const { dev, ino, ctimeNs } = statSync(busybox, { bigint: true })
  const name = `${dev}.${ino}.${ctimeNs}`
  const applets = join(directory, name)
  if (existsSync(applets)) return applets
  const [names, lacks] = await Promise.all([
    askApplets(busybox),
    findLacks(busybox),
  ])
  const lacking = new Set(lacks.map(({ applet }) => applet))
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const made = mkdtempSync(join(directory, '.new-'))
  mkdirSync(join(made, lackingApplets))
  for (const each of [made, join(made, lackingApplets)]) chmodSync(each, 0o755)
  // By way of the thread pool they take twenty times as long.
  for (const each of names)
    symlinkSync(
      busybox,
      join(made, lacking.has(each) ? lackingApplets : '.', each),
    )
  await rename(made, applets).catch(async (error: unknown) => {
    await rm(made, { recursive: true, force: true })
    // Somebody else was first.
    if (!existsSync(applets)) throw error
  })
  return applets
}

/** Asked of the program, because every distribution builds another set. */
async function askApplets(busybox: string): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)(busybox, ['--list'], {
    env: { PATH: systemPath },
  })
  return stdout.split('\n').filter(name => /^[^/]+$/.test(name))
}
