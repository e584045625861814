import t from 'tap'
import { restartingFields } from '../../src/api/changed-fields.ts'
import { updatedPod } from '../../src/api/updated-pod.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

t.test('a Pod that runs takes over what may change', async t => {
  const running = makePod({
    labels: { a: 'b' },
    spec: { activeDeadlineSeconds: 5, tolerations: [{ key: 'k' }] },
  })
  const labelled = updatedPod(
    running,
    makePod({
      labels: { c: 'd' },
      spec: { ...running.spec, hostname: 'other' },
    }),
  )
  t.strictSame(labelled.metadata.labels, new Map([['c', 'd']]))
  t.equal(labelled.metadata.generation, 1)
  t.equal(labelled.spec, running.spec, 'the rest stays as it was started')

  const next = updatedPod(
    labelled,
    makePod({ spec: { schedulingGates: [{ name: 'x/y' }] } }),
  )
  t.equal(next.metadata.generation, 2)
  t.notOk('activeDeadlineSeconds' in next.spec)
  t.notOk('tolerations' in next.spec)
  t.strictSame(next.spec.schedulingGates, [{ name: 'x/y' }])
  t.equal(updatedPod(next, next).metadata.generation, 2)
})

t.test('ephemeral containers are added, and no file takes them away', t => {
  const running = makePod({})
  const ephemeralContainers = [makeContainer({ name: 'debugger' })]
  const debugged = updatedPod(
    running,
    makePod({ spec: { ephemeralContainers } }),
  )
  t.strictSame(debugged.spec.ephemeralContainers, ephemeralContainers)
  t.equal(debugged.metadata.generation, 2)
  t.strictSame(updatedPod(debugged, running).spec, debugged.spec)
  t.strictSame(restartingFields(debugged, running), [])
  t.end()
})
