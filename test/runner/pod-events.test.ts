import t from 'tap'
import { containerFieldPath } from '../../src/runner/status/pod-events.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

t.test('the place of a container in its Pod', async t => {
  const pod = makePod({
    spec: { initContainers: [makeContainer({ name: 'setup' })] },
  })
  t.equal(containerFieldPath(pod, 'setup'), 'spec.initContainers{setup}')
  t.equal(containerFieldPath(pod, 'main'), 'spec.containers{main}')
})
