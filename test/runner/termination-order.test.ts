import t from 'tap'

import { terminatesAfter } from '../../src/runner/lifecycle/termination-order.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

const pod = makePod({
  spec: {
    initContainers: [
      makeContainer({ name: 's1', restartPolicy: 'Always' }),
      makeContainer({ name: 'init' }),
      makeContainer({ name: 's2', restartPolicy: 'Always' }),
    ],
    containers: [makeContainer({ name: 'a' }), makeContainer({ name: 'b' })],
  },
})

t.test('C236: sidecars last, in reverse order', async t => {
  t.same(terminatesAfter(pod, 'a'), [])
  t.same(terminatesAfter(pod, 'init'), [])
  t.same(terminatesAfter(pod, 's2'), ['a', 'b'])
  t.same(terminatesAfter(pod, 's1'), ['a', 'b', 's2'])
})
