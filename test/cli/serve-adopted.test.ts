/*
 * Looking into a podfs that has adopted what a killed one has left: its directory is that of
 * the one before, its pid is its own.
 */
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { podfs } from '../helpers/podfs.ts'
import { configMap, end, world } from '../helpers/served-world.ts'

t.setTimeout(120_000)
const skip = cannotStart()

t.test('it is found by the pid that runs', { skip }, async t => {
  const { start, root } = world(t, { 'a.yaml': configMap('a', '{k: v}') })
  const first = await start()
  first.child.kill('SIGKILL')
  await first.ended
  const next = await start()
  const get = (session: string) =>
    podfs(t, ['get', 'configmaps', '--session', session])
  const id = `serve-${first.pid}`
  for (const session of [String(next.pid), `serve-${next.pid}`, id, root])
    t.match(await get(session), { code: 0, stdout: /^a +1 /m }, session)
  const gone = await get(String(first.pid))
  t.equal(gone.code, 2)
  t.match(gone.stderr, `${id} (pid ${next.pid}, ${root})`)
  await end(t, next)
})
