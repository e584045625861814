import t from 'tap'
import type { PodSpec } from '../../src/api/types.ts'
import { sandboxConfig } from '../../src/runner/launch/sandbox-config.ts'
import { makePod } from '../helpers/make-objects.ts'

const names = { hostname: 'p', domain: '', kernelHostname: 'p' }
const ofPod = (spec: Partial<PodSpec>) =>
  sandboxConfig(makePod({ spec }), names)

t.test(
  'namespaces are the Pod’s or the machine’s, as its spec says',
  async t => {
    const usual = { hostname: 'p', ipc: 'pod', pid: 'container' }
    t.same(ofPod({}), usual)
    t.same(ofPod({ shareProcessNamespace: false, hostPID: false }), usual)
    t.same(ofPod({ shareProcessNamespace: true }), { ...usual, pid: 'pod' })
    t.same(ofPod({ hostPID: true }), { ...usual, pid: 'node' })
    t.same(ofPod({ hostIPC: true }), { ...usual, ipc: 'node' })
  },
)

t.test('with hostNetwork the host name is the machine’s', async t => {
  t.same(sandboxConfig(makePod({}), { hostname: 'p', domain: '' }), {
    ipc: 'pod',
    pid: 'container',
  })
})
