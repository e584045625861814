import { createServer } from 'node:net'
import t from 'tap'
import type { Pod } from '../../src/api/types.ts'
import { dialerOf } from '../../src/server/port-forward.ts'
import type { LivePod } from '../../src/server/session-record.ts'
import { freePort, host, listen } from '../helpers/loopback-server.ts'

const live = (uid: string, status: object = {}): LivePod => ({
  pod: { metadata: { name: 'web', uid }, spec: {} } as unknown as Pod,
  status: {
    phase: 'Running',
    podIP: host,
    ...status,
  } as unknown as NonNullable<LivePod['status']>,
})

t.test('ports are those of one Pod, while it runs', async t => {
  const port = await listen(t, createServer())
  let now = live('first')
  const dial = dialerOf(() => now)
  const socket = await dial(port)
  t.equal(socket.remotePort, port)
  socket.destroy()
  const nobody = await freePort()
  await t.rejects(dial(nobody), {
    message: new RegExp(
      `^error forwarding port ${nobody} to pod web: connect ECONNREFUSED `,
    ),
  })
  for (const phase of ['Succeeded', 'Failed']) {
    now = live('first', { phase })
    await t.rejects(dial(port), {
      message: `error forwarding port ${port} to pod web: pod web has ended; current phase is ${phase}`,
    })
    t.throws(() => dialerOf(() => now), { code: 400 })
  }
  now = live('second')
  await t.rejects(dial(port), {
    message: `error forwarding port ${port} to pod web: the pod is gone`,
  })
})
