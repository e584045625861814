import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import {
  isListenedOn,
  listeningPorts,
} from '../../src/linux/listening-sockets.ts'

t.test('a table of the kernel', async t => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   2: 8A08710A:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   3: 8A08710A:1F93 0100710A:C000 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   4: 00000000000000000000000001000000:1F94 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 1 1
   5: 00000000000000000000000000000000:1F95 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 1 1
   6: 0000000000000000FFFF00000100007F:1F96 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 1 1
`
  t.same(listeningPorts(table), [0x1f90, 0x1f92, 0x1f95])
  t.same(listeningPorts(''), [])
})

t.test('a server of this machine', async t => {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  t.ok(isListenedOn(process.pid, port))
  server.close()
  await once(server, 'close')
  t.notOk(isListenedOn(process.pid, port))
  const gone = spawn('true')
  await once(gone, 'close')
  t.notOk(isListenedOn(gone.pid as number, port))
})
