import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { Found } from './backend-suite.ts'
import { buildFixture } from './fuse-daemon.ts'
import { ordinaryUser } from './ordinary-user.ts'

/**
 * The backend fuse as an ordinary user has it, on a machine whose /etc/fuse.conf lets others in. Of
 * root's rights the user has two, to become a stranger who looks.
 */
export async function examineAsUser(t: Test): Promise<Found> {
  const user = await ordinaryUser(t)
  const enter = user.wrapper.slice(0, user.wrapper.indexOf('setpriv'))
  const conf = '/run/user/root/fuse.conf'
  const open = `echo user_allow_other >${conf} && mount --bind ${conf} /etc/fuse.conf`
  await run([...enter, 'sh', '-c', open])
  const become = [
    'setpriv',
    `--reuid=${user.uid}`,
    `--regid=${user.uid}`,
    '--clear-groups',
    '--inh-caps=-all,+setuid,+setgid',
    '--ambient-caps=-all,+setuid,+setgid',
    '--',
    'env',
    `--chdir=${process.cwd()}`,
    `HOME=${user.home}`,
  ]
  const script = buildFixture(t, 'examine-backend')
  const found = await run([...enter, ...become, process.execPath, script])
  const { claims, onBind, withoutBind } = JSON.parse(found) as {
    claims: [string, string][]
  } & Omit<Found, 'claims'>
  return { claims: new Map(claims), onBind, withoutBind }
}

async function run(argv: readonly string[]): Promise<string> {
  const [program = '', ...args] = argv
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const said = await text(child.stdout)
  const [code] = (await ended) as [number | null]
  if (code !== 0) throw new Error(`${program} ended with ${code}`)
  return said
}
