import t from 'tap'

import { shouldRestart } from '../../src/runner/lifecycle/restart-policy.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

const main = makeContainer({ name: 'main' })
const init = makeContainer({ name: 'init' })
const sidecar = makeContainer({ name: 'sidecar', restartPolicy: 'Always' })

// Whether [exit 0, exit 1] run again.
const cases = [
  ['Always', main, true, true],
  ['Always', init, false, true],
  ['Always', sidecar, true, true],
  ['OnFailure', main, false, true],
  ['OnFailure', init, false, true],
  ['OnFailure', sidecar, true, true],
  ['Never', main, false, false],
  ['Never', init, false, false],
  ['Never', sidecar, true, true],
] as const

for (const [restartPolicy, container, after0, after1] of cases) {
  t.test(`4.5: ${restartPolicy}, ${container.name}`, async t => {
    const pod = makePod({
      spec: {
        restartPolicy,
        containers: [main],
        initContainers: [init, sidecar],
      },
    })
    t.equal(shouldRestart(pod, container, 0), after0)
    t.equal(shouldRestart(pod, container, 1), after1)
  })
}
